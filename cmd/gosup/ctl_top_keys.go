package main

import (
	"fmt"

	tea "charm.land/bubbletea/v2"
)

// topKeys are the keys of the table, as the help page lists them.
func topKeys() [][2]string {
	return [][2]string{
		{"↑ ↓ j k", "select; also PgUp, PgDn, Home, End"},
		{"enter l", "the whole screen for the output of what is selected"},
		{"w", "why is it in its state?"},
		{"s", "start it"},
		{"x", "stop it (asks first)"},
		{"r", "restart it (asks first)"},
		{"/", "filter by name, state or health; esc takes the filter away"},
		{"o O", "sort by the next column; the other way round"},
		{"t", "tree of groups, or list of processes"},
		{"?", "this help"},
		{"q", "quit; on another page: back"},
	}
}

// key does what a key is for.
func (m *topModel) key(k tea.KeyPressMsg) tea.Cmd {
	name := k.String()
	switch name {
	case "ctrl+c":
		return m.quit()
	case "ctrl+z":
		return tea.Suspend
	case "ctrl+l":
		return tea.ClearScreen
	}
	switch {
	case m.typing:
		m.typeFilter(k)
		return m.follow()
	case m.asked != nil:
		return m.confirm(name)
	case m.page != pageTable:
		return m.pageKey(name)
	}
	m.said = ""
	return m.tableKey(name)
}

func (m *topModel) quit() tea.Cmd {
	m.closeLog()
	return tea.Quit
}

// tableKey does what a key is for where the table is.
func (m *topModel) tableKey(name string) tea.Cmd {
	switch name {
	case "q":
		return m.quit()
	case "enter", "l":
		m.turn(pageLog)
	case "s", "x", "r":
		return m.wish(name)
	case "w":
		if m.selected != "" {
			m.turn(pageWhy)
			m.why = topWhy{of: m.selected}
			return m.askWhyAgain()
		}
	case "?":
		m.turn(pageHelp)
	case "/":
		m.typing = true
	case "esc":
		m.filter = ""
		m.arrange()
	case "t":
		m.asTree = !m.asTree
		m.arrange()
	case "o":
		m.order, m.reversed = (m.order+1)%topOrders, false
		m.asTree = false
		m.arrange()
	case "O":
		m.reversed, m.asTree = !m.reversed, false
		m.arrange()
	default:
		m.move(step(name, m.shown()))
	}
	return m.follow()
}

// step returns how far a key goes where so many lines are on the screen.
func step(key string, shown int) int {
	screenful := max(shown-1, 1)
	switch key {
	case "up", "k":
		return -1
	case "down", "j":
		return 1
	case "pgup", "ctrl+b":
		return -screenful
	case "pgdown", "ctrl+f", "space":
		return screenful
	case "home", "g":
		return -1 << 20
	case "end", "G":
		return 1 << 20
	}
	return 0
}

// pageKey does what a key is for on another page.
func (m *topModel) pageKey(name string) tea.Cmd {
	switch name {
	case "q", "esc", "enter", "left", "backspace":
		m.turn(pageTable)
		return nil
	}
	by := step(name, m.room())
	if m.page == pageLog {
		by = -by // it is scrolled from its end
	}
	m.back = max(m.back+by, 0)
	return nil
}

func (m *topModel) turn(to topPage) { m.page, m.back = to, 0 }

// typeFilter edits the filter, which is in force as it is typed.
func (m *topModel) typeFilter(k tea.KeyPressMsg) {
	switch k.String() {
	case "enter":
		m.typing = false
	case "esc":
		m.typing, m.filter = false, ""
	case "backspace":
		if r := []rune(m.filter); len(r) > 0 {
			m.filter = string(r[:len(r)-1])
		}
	case "ctrl+u":
		m.filter = ""
	case "up", "down":
		m.move(step(k.String(), m.shown()))
	default:
		m.filter += k.Text
	}
	m.arrange()
}

// topWish is what somebody wants done.
type topWish struct {
	verb string
	name string
}

// wish wants something done with what is selected: a start at once, the others
// when they are confirmed.
func (m *topModel) wish(key string) tea.Cmd {
	if m.selected == "" {
		return nil
	}
	w := topWish{map[string]string{"s": "start", "x": "stop", "r": "restart"}[key], m.selected}
	if w.verb == "start" {
		return m.act(w)
	}
	m.asked = &w
	return nil
}

// confirm takes the answer. What was asked about may not be what is selected
// now, if that has been removed meanwhile.
func (m *topModel) confirm(key string) tea.Cmd {
	w := *m.asked
	m.asked = nil
	if key != "y" && key != "Y" {
		m.said, m.bad = "left alone", false
		return nil
	}
	return m.act(w)
}

func (m *topModel) act(w topWish) tea.Cmd {
	m.said, m.bad = fmt.Sprintf("%s %s …", w.verb, w.name), false
	return act(m.client, w.verb, w.name)
}
