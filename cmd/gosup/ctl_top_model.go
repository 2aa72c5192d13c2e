package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"gosup/control"
)

// topModel is the state of gosup ctl top. Messages come in, commands go out. It
// reads no clock, so that the same messages always lead to the same screen.
type topModel struct {
	client *control.Client
	color  bool
	width  int
	height int

	// What the daemon has told.
	nodes   []control.Node
	version uint64
	about   control.Version
	now     time.Time // when that was
	lost    error     // why nobody tells more

	// What is wanted.
	page     topPage
	asTree   bool
	order    topOrder
	reversed bool
	filter   string
	asked    *topWish // is to be confirmed; nil for nothing
	typing   bool     // the filter is being typed
	selected string   // name
	said     string   // what came of the last wish; "" for nothing
	bad      bool     // it did not work

	rows  []topRow
	laid  topLayout // of the rows
	first int       // the first row on the screen
	why   topWhy
	log   topLog
	back  int // lines that a page is scrolled: from the end of a log, from the beginning of another
}

// topPage is what the screen is full of.
type topPage int

// The pages.
const (
	pageTable topPage = iota
	pageLog
	pageWhy
	pageHelp
)

// topWhy is the answer to why.
type topWhy struct {
	of   string
	why  *control.Why // nil until it has come
	fail error
}

// topLog is the output of what is selected.
type topLog struct {
	of     string
	number int        // of the stream that is wanted: what comes of an older one is late
	stream *logStream // nil while there is none
	lines  []string   // fit to be printed
	fail   error      // why there is none
}

// logKept is how many lines of output are kept, to be scrolled through.
const logKept = 2000

func newTopModel(client *control.Client, color bool) *topModel {
	return &topModel{client: client, color: color}
}

// Init begins to watch. The first tree has been seen.
func (m *topModel) Init() tea.Cmd {
	return tea.Batch(watchTree(m.client, m.version), m.follow())
}

// Update takes a message.
func (m *topModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	cmd := m.take(msg)
	m.scroll()
	m.back = min(m.back, m.farthest())
	return m, cmd
}

func (m *topModel) take(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		m.lay()
	case tea.KeyPressMsg:
		return m.key(msg)
	case tea.PasteMsg:
		if m.typing {
			m.filter += (&screen{terminal: true}).line(msg.Content)
			m.arrange()
			return m.follow()
		}
	case treeSeen:
		m.see(msg)
		return tea.Batch(after(treePause, treeDue{}), m.follow(), m.askWhyAgain())
	case treeLost:
		m.lost, m.version = msg.err, 0
		return after(lostPause, treeDue{})
	case treeDue:
		return watchTree(m.client, m.version)
	case whySeen:
		if msg.name == m.why.of {
			m.why.fail = msg.err
			if msg.err == nil {
				m.why.why = &msg.why
			}
		}
	case acted:
		m.said, m.bad = outcome(msg)
	case logDue, logOpened, logRead:
		return m.takeLog(msg)
	}
	return nil
}

// see takes what the daemon has told.
func (m *topModel) see(t treeSeen) {
	m.nodes, m.version, m.now, m.lost = t.nodes, t.version, t.at, nil
	if t.about != nil {
		m.about = *t.about
	}
	m.arrange()
}

// arrange makes the rows anew. The selection stays on its process; if that is
// gone it goes to what has taken its place.
func (m *topModel) arrange() {
	was := m.index()
	if m.asTree {
		m.rows = treeRows(m.nodes, m.filter)
	} else {
		m.rows = listRows(m.nodes, m.filter, m.order, m.reversed)
	}
	if m.index() < 0 {
		m.selected = ""
		if len(m.rows) > 0 {
			m.selected = m.rows[min(max(was, 0), len(m.rows)-1)].name
		}
	}
	m.lay()
}

// index returns where the selected row is, -1 if there is none.
func (m *topModel) index() int {
	return slices.IndexFunc(m.rows, func(r topRow) bool { return r.name == m.selected })
}

// node returns what is selected, nil if there is nothing.
func (m *topModel) node() *control.Node {
	i := slices.IndexFunc(m.nodes, func(n control.Node) bool { return n.Name == m.selected })
	if i < 0 || m.index() < 0 {
		return nil
	}
	return &m.nodes[i]
}

// move selects another row.
func (m *topModel) move(by int) {
	if len(m.rows) == 0 {
		return
	}
	m.selected = m.rows[min(max(m.index()+by, 0), len(m.rows)-1)].name
}

func (m *topModel) askWhyAgain() tea.Cmd {
	if m.page != pageWhy || m.why.of == "" {
		return nil
	}
	return askWhy(m.client, m.why.of)
}

// follow sees to it that the log is that of what is selected. While somebody
// goes through the rows none is asked for.
func (m *topModel) follow() tea.Cmd {
	if m.log.of == m.selected {
		return nil
	}
	m.closeLog()
	m.log = topLog{of: m.selected, number: m.log.number + 1}
	m.back = 0
	if m.selected == "" {
		return nil
	}
	return after(logSettle, logDue{m.log.number, true})
}

func (m *topModel) closeLog() {
	if m.log.stream != nil {
		m.log.stream.close()
		m.log.stream = nil
	}
}

// takeLog takes what comes of the log, if it is not that of an earlier
// selection.
func (m *topModel) takeLog(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case logDue:
		switch {
		case msg.number != m.log.number:
		case msg.open:
			return openOutput(m.client, msg.number, m.log.of)
		case m.log.stream != nil:
			return readOutput(m.log.stream)
		}
	case logOpened:
		switch {
		case msg.number != m.log.number:
			if msg.stream != nil {
				msg.stream.close()
			}
		case msg.err != nil:
			m.log.fail = msg.err
			return after(logRetry, logDue{m.log.number, true})
		default:
			m.log.stream, m.log.lines, m.log.fail = msg.stream, nil, nil
			return readOutput(msg.stream)
		}
	case logRead:
		if msg.number != m.log.number {
			return nil // it was closed when another was selected
		}
		m.keep(msg.lines)
		if msg.err != nil {
			m.log.stream = nil
			return after(logRetry, logDue{m.log.number, true})
		}
		return after(logPause, logDue{number: m.log.number})
	}
	return nil
}

// keep adds lines to the log, fit to be printed. Who has scrolled back stays
// where they are.
func (m *topModel) keep(lines []string) {
	safe := &screen{terminal: true}
	for _, line := range lines {
		m.log.lines = append(m.log.lines, safe.safe(strings.ReplaceAll(line, "\t", "    ")))
	}
	if m.page == pageLog && m.back > 0 {
		m.back += len(lines)
	}
	if n := len(m.log.lines) - logKept; n > 0 {
		m.log.lines = slices.Delete(m.log.lines, 0, n)
	}
}

// outcome says what came of a wish, in one line.
func outcome(a acted) (words string, bad bool) {
	if a.err != nil {
		return fmt.Sprintf("%s %s: %v", a.verb, a.name, a.err), true
	}
	done := 0
	for _, r := range a.results {
		if !r.Outcome.OK() {
			return fmt.Sprintf("%s %s: %s", a.verb, r.Name, r.Message), true
		}
		done++
	}
	if done == 1 {
		return a.results[0].Name + ": " + a.results[0].Message, false
	}
	return fmt.Sprintf("%s %s: done for %d processes", a.verb, a.name, done), false
}
