package main

import (
	"bufio"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"gosup/control"
)

// View draws the screen: as many lines as it has, none longer than it is wide.
func (m *topModel) View() tea.View {
	v := tea.NewView(strings.Join(m.draw(), "\n"))
	v.AltScreen = true
	return v
}

func (m *topModel) draw() []string {
	if m.width <= 0 || m.height <= 0 {
		return nil
	}
	lines := append(make([]string, 0, m.height+1), m.header())
	switch m.page {
	case pageTable:
		lines = append(lines, m.table()...)
	default:
		lines = append(lines, m.pageView()...)
	}
	for len(lines) < m.height-1 {
		lines = append(lines, "")
	}
	// On a screen of one line that line is the last.
	lines = append(lines[:min(len(lines), max(m.height-1, 0))], m.footer())
	for i := range lines {
		lines[i] = ansi.Truncate(lines[i], m.width, "…")
	}
	return lines
}

// print returns what f prints, line by line.
func (m *topModel) print(f func(s *screen)) []string {
	var b strings.Builder
	s := m.screen()
	s.out = bufio.NewWriter(&b)
	f(s)
	s.out.Flush() // into memory: it does not fail
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

func (m *topModel) screen() *screen {
	return &screen{terminal: true, color: m.color, width: max(m.width-len(topMark), 1)}
}

// header says whose processes these are, and how many are how.
func (m *topModel) header() string {
	s := m.screen()
	if m.lost != nil {
		return s.paint("gosup is gone, trying again: "+s.line(m.lost.Error()), styleBad)
	}
	counts := map[string]int{}
	all := 0
	for i := range m.nodes {
		if m.nodes[i].Kind == "process" {
			counts[m.nodes[i].State]++
			all++
		}
	}
	words := s.paint("gosup "+s.line(m.about.Name), styleHead) +
		fmt.Sprintf("  pid %d, up %s  %s", m.about.PID, span(max(m.now.Sub(m.about.StartedAt), 0)), processCount(all))
	sep := ": "
	for _, state := range []string{"running", "starting", "stopping", "waiting", "backoff", "failed", "exited", "stopped"} {
		if counts[state] > 0 {
			words += sep + s.paint(fmt.Sprintf("%d %s", counts[state], state), stateStyle(state))
			sep = ", "
		}
	}
	return words
}

func processCount(n int) string {
	if n == 1 {
		return "1 process"
	}
	return fmt.Sprintf("%d processes", n)
}

// topMark stands before the selected row.
const topMark = "> "

// table draws the rows around the selected one, and below them what is known of
// it and what it writes.
func (m *topModel) table() []string {
	lines := m.visible()
	if pane := m.room() - m.shown(); pane > 0 {
		lines = append(lines, m.pane(pane)...)
	}
	return lines
}

// room is what a screen has beside the header, a title or heads, and the footer.
func (m *topModel) room() int { return max(m.height-3, 0) }

// shown is how many rows are on the screen.
func (m *topModel) shown() int { return m.room() - paneHeight(m.room(), len(m.rows)) }

// paneHeight divides room between rows and the pane below them: what the rows
// do not need is the pane's, which otherwise has two fifths of it.
func paneHeight(room, rows int) int {
	if room < 5 {
		return 0
	}
	return max(room*2/5, room-max(rows, 1))
}

// scroll makes the selected row one of those that are shown.
func (m *topModel) scroll() {
	at := max(m.index(), 0)
	m.first = min(m.first, at, max(len(m.rows)-m.shown(), 0))
	m.first = max(m.first, at-m.shown()+1, 0)
}

// topLayout is the table as it is printed. All rows are in it, so that columns
// stay where they are when the rows are scrolled.
type topLayout struct {
	heads  []cell
	cells  [][]cell // fit to be printed
	widths []int
}

// lay makes the layout of the rows.
func (m *topModel) lay() {
	s := m.screen()
	list := s.topColumns(m)
	heads := make([]string, len(list))
	cells := make([][]cell, len(m.rows))
	for i := range m.rows {
		cells[i] = make([]cell, len(list))
		for j, c := range list {
			cells[i][j] = c.cell(&m.rows[i].p)
		}
	}
	for j, c := range list {
		heads[j] = m.sorted(c.head)
	}
	heads, cells = s.sparing(list, heads, cells)
	m.laid = topLayout{headCells(heads), cells, s.measure(heads, cells)}
	fit(m.laid.widths, s.width)
}

// visible draws the heads and the rows that are shown.
func (m *topModel) visible() []string {
	selected := m.index()
	last := min(m.first+m.shown(), len(m.rows))
	lines := m.print(func(s *screen) {
		s.row(m.laid.heads, m.laid.widths)
		for i := m.first; i < last; i++ {
			s.color = m.color && i != selected // which is turned round as a whole
			s.row(m.laid.cells[i], m.laid.widths)
		}
	})
	for i := range lines {
		mark := strings.Repeat(" ", len(topMark))
		if m.first+i-1 == selected && i > 0 {
			mark = topMark
		}
		lines[i] = mark + lines[i]
		if mark == topMark {
			lines[i] = m.screen().paint(pad(lines[i], m.width), styleSelected)
		}
	}
	if len(m.rows) == 0 && m.shown() > 0 {
		words := "  there are no processes"
		if m.filter != "" {
			words = "  nothing matches " + m.screen().line(m.filter)
		}
		lines = append(lines, m.screen().paint(words, styleFaint))
	}
	return lines
}

// topColumns are those of the status, but what a process uses is left out
// last: a reason stands below the table too.
func (s *screen) topColumns(m *topModel) []column {
	list := s.statusColumns(false, true, m.now)
	for i := range list {
		switch list[i].head {
		case "REASON":
			list[i].spare = 2
		case "CPU", "MEMORY":
			list[i].spare = 0
		}
	}
	return list
}

// sorted marks the head of the column that rows are sorted by.
func (m *topModel) sorted(head string) string {
	switch {
	case m.asTree || head != m.order.head():
		return head
	case m.reversed:
		return head + "▲"
	default:
		return head + "▼"
	}
}

// members says how many processes a group has, "" of a process.
func (m *topModel) members(name string) string {
	count := 0
	for i := range m.nodes {
		if m.nodes[i].Kind == "process" && strings.HasPrefix(m.nodes[i].Name, name+"/") {
			count++
		}
	}
	if count == 0 {
		return ""
	}
	return ", " + processCount(count)
}

func headCells(heads []string) []cell {
	cells := make([]cell, len(heads))
	for i, h := range heads {
		cells[i] = cell{h, styleHead}
	}
	return cells
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(width-ansi.StringWidth(text), 0))
}

// pane draws what is known of the selected row, and the end of its log.
func (m *topModel) pane(height int) []string {
	n := m.node()
	if n == nil {
		return nil
	}
	s := m.screen()
	title := "── " + s.line(n.Name) + " "
	lines := []string{s.paint(title+strings.Repeat("─", max(m.width-columns(title), 0)), styleFaint)}
	details := m.details(n)
	if height >= 6 {
		lines = append(lines, details...)
	} else if height >= 4 {
		lines = append(lines, details[0])
	}
	return append(lines, m.output(height-len(lines), 0)...)
}

// details says in two lines how a process is.
func (m *topModel) details(n *control.Node) []string {
	s := m.screen()
	words := n.State
	if n.Health != "none" {
		words += ", " + n.Health
	}
	facts := []string{}
	if n.Kind == "group" {
		facts = append(facts, n.Strategy)
	}
	if n.PID != 0 {
		facts = append(facts, fmt.Sprintf("pid %d, run %d", n.PID, n.Run))
	}
	facts = append(facts, "restarts "+budget(&n.Process))
	if n.TotalRestarts > 0 {
		facts = append(facts, fmt.Sprintf("%d in all", n.TotalRestarts))
	}
	if e := n.LastExit; e != nil {
		facts = append(facts, "last exit "+lastExit(e)+" at "+clockTime(e.At, m.now))
	}
	return []string{
		s.paint(words, stateStyle(n.State)) + ": " + s.line(reason(&n.Process, m.now)),
		s.line(strings.Join(facts, ", ")),
	}
}

// output draws the last lines of the log but for some, and says what keeps it
// from going on.
func (m *topModel) output(height, but int) []string {
	lines := slices.Clone(m.log.lines[:max(len(m.log.lines)-but, 0)])
	if m.log.fail != nil {
		s := m.screen()
		lines = append(lines, s.paint("(no output: "+s.line(m.log.fail.Error())+")", styleFaint))
	}
	return lines[max(len(lines)-max(height, 0), 0):]
}

// pageView draws a page that is no table.
func (m *topModel) pageView() []string {
	room := m.room()
	title := m.screen().paint(m.pageTitle(), styleHead)
	if m.page == pageLog {
		return append([]string{title}, m.output(room, m.back)...)
	}
	lines := m.pageLines()
	from := min(m.back, len(lines))
	return append([]string{title}, lines[from:min(from+room, len(lines))]...)
}

// farthest is how far a page can be scrolled.
func (m *topModel) farthest() int {
	lines := len(m.log.lines)
	if m.page != pageLog {
		lines = len(m.pageLines())
	}
	return max(lines-m.room(), 0)
}

func (m *topModel) pageTitle() string {
	s := m.screen()
	switch m.page {
	case pageLog:
		return "output of " + s.line(m.log.of)
	case pageWhy:
		return "why " + s.line(m.why.of)
	default:
		return "keys"
	}
}

func (m *topModel) pageLines() []string {
	switch {
	case m.page == pageHelp:
		var lines []string
		for _, k := range topKeys() {
			lines = append(lines, pad(k[0], 9)+k[1])
		}
		return lines
	case m.why.fail != nil:
		return []string{m.screen().line(m.why.fail.Error())}
	case m.why.why == nil:
		return nil
	}
	return m.print(func(s *screen) {
		// As a table it cannot fail: only JSON could.
		_ = s.why(formatTable, m.why.why, m.now)
	})
}

// footer asks, tells or says which keys there are.
func (m *topModel) footer() string {
	s := m.screen()
	switch {
	case m.asked != nil:
		return s.paint(fmt.Sprintf("%s %s%s? y: yes, any other key: no", m.asked.verb, s.line(m.asked.name), m.members(m.asked.name)), styleWarn)
	case m.typing:
		return "filter: " + s.line(m.filter) + "_"
	case m.page == pageLog && m.back > 0:
		return fmt.Sprintf("%d lines from the end  end: follow  esc: back", m.back)
	case m.page != pageTable:
		return s.paint("↑↓ scroll  esc back  ctrl+c quit", styleFaint)
	case m.said != "" && m.bad:
		return s.paint(s.line(m.said), styleBad)
	case m.said != "":
		return s.line(m.said)
	}
	keys := "? help  q quit  ↑↓ select  enter output  w why  s start  x stop  r restart  / filter  o sort  t tree"
	if m.filter != "" {
		keys = "filter: " + s.line(m.filter) + " (esc: none)  " + keys
	}
	return s.paint(keys, styleFaint)
}
