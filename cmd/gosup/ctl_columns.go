package main

import (
	"strconv"
	"time"

	"gosup/control"
)

// column is a column of the status of processes.
type column struct {
	head  string
	cell  func(p *control.Process) cell
	spare int // the order in which they are left out where there is no room: 1 is the first, maxSpare the last, 0 never
}

const maxSpare = 6

// processes prints a list of processes, which answer holds as JSON. The table
// has what they use only if that was asked for.
func (s *screen) processes(f format, answer []byte, processes []control.Process, usage bool) error {
	if done, err := s.data(f, answer); done {
		return err
	}
	if f == formatName {
		for i := range processes {
			s.out.WriteString(s.line(processes[i].Name) + "\n")
		}
		return nil
	}
	list := s.statusColumns(f == formatWide, usage, time.Now())
	heads := make([]string, len(list))
	rows := make([][]cell, len(processes))
	for i := range processes {
		rows[i] = make([]cell, len(list))
		for j, c := range list {
			heads[j] = c.head
			rows[i][j] = c.cell(&processes[i])
		}
	}
	if f == formatTable && s.width > 0 {
		heads, rows = s.sparing(list, heads, rows)
	}
	s.table(heads, rows)
	return nil
}

// statusColumns returns the columns that there may be.
func (s *screen) statusColumns(wide, usage bool, now time.Time) []column {
	list := []column{
		{"NAME", func(p *control.Process) cell { return cell{p.Name, ""} }, 0},
		{"STATE", func(p *control.Process) cell { return cell{p.State, stateStyle(p.State)} }, 0},
		{"HEALTH", s.healthCell, maxSpare},
		{"PID", func(p *control.Process) cell { return cell{orDash(strconv.Itoa(p.PID), "0"), ""} }, 3},
		{"UPTIME", func(p *control.Process) cell { return cell{uptime(p.UptimeSeconds), ""} }, 4},
		{"RESTARTS", func(p *control.Process) cell { return cell{restarts(p), restartStyle(p)} }, 5},
	}
	if usage {
		list = append(list,
			column{"CPU", func(p *control.Process) cell { return cell{percent(p.CPUPercent), ""} }, 2},
			column{"MEMORY", func(p *control.Process) cell { return cell{memory(p.MemoryBytes), ""} }, 2})
	}
	if wide {
		list = append(list,
			column{"TOTAL", func(p *control.Process) cell { return cell{strconv.FormatUint(p.TotalRestarts, 10), ""} }, 0},
			column{"RUN", func(p *control.Process) cell { return cell{strconv.FormatUint(p.Run, 10), ""} }, 0},
			column{"STARTED", func(p *control.Process) cell { return cell{moment(p.StartedAt), ""} }, 0})
	}
	if wide || s.terminal {
		list = append(list, column{"LAST EXIT", func(p *control.Process) cell { return cell{lastExit(p.LastExit), ""} }, 1})
	}
	return append(list, column{"REASON", func(p *control.Process) cell { return cell{reason(p, now), ""} }, 0})
}

// healthCell tells health by a word and, where there is colour, by a shape too: not
// everybody can tell the colours apart.
func (s *screen) healthCell(p *control.Process) cell {
	word := orDash(p.Health, "none")
	if s.color {
		word = healthShape(p.Health) + word
	}
	return cell{word, healthStyle(p.Health)}
}

// reasonRoom is what the last column should have before others are left out
// for it.
const reasonRoom = 18

// sparing leaves out columns for which there is no room.
func (s *screen) sparing(list []column, heads []string, rows [][]cell) ([]string, [][]cell) {
	widths := s.measure(heads, rows)
	last := len(widths) - 1
	widths[last] = min(widths[last], reasonRoom)
	need := gap * last
	for _, w := range widths {
		need += w
	}
	out := make([]bool, len(list))
	for spare := 1; spare <= maxSpare && need > s.width; spare++ {
		for i, c := range list {
			if c.spare == spare {
				out[i] = true
				need -= widths[i] + gap
			}
		}
	}
	keep := func(i int) bool { return !out[i] }
	heads = chosen(heads, keep)
	for i := range rows {
		rows[i] = chosen(rows[i], keep)
	}
	return heads, rows
}

// chosen returns the elements whose index is wanted, in place.
func chosen[T any](list []T, want func(i int) bool) []T {
	kept := list[:0]
	for i, v := range list {
		if want(i) {
			kept = append(kept, v)
		}
	}
	return kept
}
