package control

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The status of a thousand processes is written and read by hand: encoding/json
// takes 3 ms for one and 5 ms for the other, which is most of what gosup ctl
// status has. What the reader here does not expect it leaves to encoding/json.

// appendJSON appends the process as json.Marshal would.
func (p *Process) appendJSON(out []byte) []byte {
	out = appendString(append(out, `{"name":`...), p.Name)
	out = appendString(append(out, `,"group":`...), p.Group)
	out = appendString(append(out, `,"state":`...), p.State)
	out = appendString(append(out, `,"health":`...), p.Health)
	out = appendString(append(out, `,"health_reason":`...), p.HealthReason)
	out = strconv.AppendInt(append(out, `,"pid":`...), int64(p.PID), 10)
	out = strconv.AppendBool(append(out, `,"ready":`...), p.Ready)
	out = appendTime(append(out, `,"started_at":`...), p.StartedAt)
	out = appendFloat(append(out, `,"uptime_seconds":`...), p.UptimeSeconds)
	out = strconv.AppendInt(append(out, `,"restarts":`...), int64(p.Restarts), 10)
	out = strconv.AppendUint(append(out, `,"total_restarts":`...), p.TotalRestarts, 10)
	out = appendInt(append(out, `,"max_restarts":`...), p.MaxRestarts)
	out = appendFloat(append(out, `,"within_seconds":`...), p.WithinSeconds)
	out = appendTime(append(out, `,"next_start_at":`...), p.NextStartAt)
	out = appendString(append(out, `,"reason":`...), p.Reason)
	out = append(out, `,"waiting_on":[`...)
	for i, name := range p.WaitingOn {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendString(out, name)
	}
	out = append(out, `],"last_exit":`...)
	if p.LastExit == nil {
		out = append(out, "null"...)
	} else {
		out = p.LastExit.appendJSON(out)
	}
	out = strconv.AppendUint(append(out, `,"run":`...), p.Run, 10)
	out = strconv.AppendBool(append(out, `,"succeeded":`...), p.Succeeded)
	out = strconv.AppendBool(append(out, `,"frozen":`...), p.Frozen)
	out = appendFloat(append(out, `,"cpu_percent":`...), p.CPUPercent)
	out = appendInt(append(out, `,"memory_bytes":`...), p.MemoryBytes)
	return append(out, '}')
}

func (e *Exit) appendJSON(out []byte) []byte {
	out = appendInt(append(out, `{"code":`...), e.Code)
	out = appendString(append(out, `,"signal":`...), e.Signal)
	out = appendTime(append(out, `,"at":`...), &e.At)
	out = appendFloat(append(out, `,"run_seconds":`...), &e.RunSeconds)
	out = strconv.AppendBool(append(out, `,"oom_killed":`...), e.OOMKilled)
	out = strconv.AppendBool(append(out, `,"core_dumped":`...), e.CoreDumped)
	out = appendString(append(out, `,"cause":`...), e.Cause)
	return append(out, '}')
}

func appendString(out []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			b, err := json.Marshal(s)
			if err != nil {
				panic(err) // of a string: cannot be
			}
			return append(out, b...)
		}
	}
	out = append(out, '"')
	out = append(out, s...)
	return append(out, '"')
}

func appendTime(out []byte, t *time.Time) []byte {
	if t == nil {
		return append(out, "null"...)
	}
	out = append(out, '"')
	out = t.AppendFormat(out, time.RFC3339Nano)
	return append(out, '"')
}

func appendInt[T int | int64](out []byte, n *T) []byte {
	if n == nil {
		return append(out, "null"...)
	}
	return strconv.AppendInt(out, int64(*n), 10)
}

func appendFloat(out []byte, f *float64) []byte {
	if f == nil {
		return append(out, "null"...)
	}
	// Without an exponent, which encoding/json uses below 1e-6 and from 1e21
	// on; milliseconds of a process's life are in between.
	return strconv.AppendFloat(out, *f, 'f', -1, 64)
}

// DecodeProcesses reads a list of processes.
func DecodeProcesses(answer []byte) ([]Process, error) {
	s := scanner{text: string(answer)}
	if list := s.processes(); !s.odd {
		return list, nil
	}
	var list []Process
	err := json.Unmarshal(answer, &list)
	return list, err
}

// scanner reads a list of what appendJSON writes, with no space in it. What is unlike it makes
// it odd, and what it has read is then worth nothing.
type scanner struct {
	text string // what is left
	odd  bool
}

func (s *scanner) processes() (list []Process) {
	list = []Process{}
	s.each('[', ']', func() {
		list = append(list, Process{})
		s.process(&list[len(list)-1])
	})
	if strings.TrimSpace(s.text) != "" {
		s.odd = true
	}
	return list
}

// each calls f for what is between two brackets and divided by commas.
func (s *scanner) each(first, last byte, f func()) {
	s.eat(first)
	if s.odd || s.peek(last) {
		s.eat(last)
		return
	}
	for !s.odd {
		f()
		if s.peek(last) {
			s.eat(last)
			return
		}
		s.eat(',')
	}
}

func (s *scanner) peek(c byte) bool { return s.text != "" && s.text[0] == c }

func (s *scanner) eat(c byte) {
	if !s.peek(c) {
		s.odd = true
		return
	}
	s.text = s.text[1:]
}

func (s *scanner) process(p *Process) {
	s.each('{', '}', func() {
		key := s.string()
		s.eat(':')
		switch key {
		case "name":
			p.Name = s.string()
		case "group":
			p.Group = s.string()
		case "state":
			p.State = s.string()
		case "health":
			p.Health = s.string()
		case "health_reason":
			p.HealthReason = s.string()
		case "pid":
			p.PID = s.int()
		case "ready":
			p.Ready = s.bool()
		case "started_at":
			p.StartedAt = s.time()
		case "uptime_seconds":
			p.UptimeSeconds = s.float()
		case "restarts":
			p.Restarts = s.int()
		case "total_restarts":
			p.TotalRestarts = s.uint()
		case "max_restarts":
			p.MaxRestarts = s.intOrNull()
		case "within_seconds":
			p.WithinSeconds = s.float()
		case "next_start_at":
			p.NextStartAt = s.time()
		case "reason":
			p.Reason = s.string()
		case "waiting_on":
			p.WaitingOn = []string{}
			s.each('[', ']', func() { p.WaitingOn = append(p.WaitingOn, s.string()) })
		case "last_exit":
			p.LastExit = nil
			if !s.null() {
				p.LastExit = &Exit{}
				s.exit(p.LastExit)
			}
		case "run":
			p.Run = s.uint()
		case "succeeded":
			p.Succeeded = s.bool()
		case "frozen":
			p.Frozen = s.bool()
		case "cpu_percent":
			p.CPUPercent = s.float()
		case "memory_bytes":
			p.MemoryBytes = s.int64OrNull()
		default:
			s.odd = true
		}
	})
}

func (s *scanner) exit(e *Exit) {
	s.each('{', '}', func() {
		key := s.string()
		s.eat(':')
		switch key {
		case "code":
			e.Code = s.intOrNull()
		case "signal":
			e.Signal = s.string()
		case "at":
			if t := s.time(); t != nil {
				e.At = *t
			}
		case "run_seconds":
			if f := s.float(); f != nil {
				e.RunSeconds = *f
			}
		case "oom_killed":
			e.OOMKilled = s.bool()
		case "core_dumped":
			e.CoreDumped = s.bool()
		case "cause":
			e.Cause = s.string()
		default:
			s.odd = true
		}
	})
}

// string reads a string, which shares the memory of the whole text unless it
// has escapes.
func (s *scanner) string() (v string) {
	s.eat('"')
	ascii := true
	for i := 0; i < len(s.text) && !s.odd; i++ {
		switch c := s.text[i]; {
		case c == '"':
			v, s.text = s.text[:i], s.text[i+1:]
			s.odd = !ascii && !utf8.ValidString(v)
			return v
		case c == '\\':
			return s.escaped()
		case c < ' ':
			s.odd = true
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	s.odd = true
	return ""
}

// escaped reads the rest of a string with escapes.
func (s *scanner) escaped() (v string) {
	for i := 0; i < len(s.text); i++ {
		switch s.text[i] {
		case '\\':
			i++
		case '"':
			s.check(json.Unmarshal([]byte(`"`+s.text[:i+1]), &v))
			s.text = s.text[i+1:]
			return v
		}
	}
	s.odd = true
	return ""
}

func (s *scanner) check(err error) { s.odd = s.odd || err != nil }

func (s *scanner) null() bool {
	rest, ok := strings.CutPrefix(s.text, "null")
	s.text = rest
	return ok
}

func (s *scanner) bool() bool {
	if rest, ok := strings.CutPrefix(s.text, "true"); ok {
		s.text = rest
		return true
	}
	rest, ok := strings.CutPrefix(s.text, "false")
	s.text = rest
	s.odd = s.odd || !ok
	return false
}

// number cuts off what may be a number.
func (s *scanner) number() string {
	i := 0
	for i < len(s.text) && (s.text[i] >= '0' && s.text[i] <= '9' || strings.IndexByte("+-.eE", s.text[i]) >= 0) {
		i++
	}
	n := s.text[:i]
	s.text = s.text[i:]
	return n
}

func (s *scanner) int() int {
	n, err := strconv.Atoi(s.number())
	s.check(err)
	return n
}

func (s *scanner) intOrNull() *int {
	if s.null() {
		return nil
	}
	n := s.int()
	return &n
}

func (s *scanner) int64OrNull() *int64 {
	if s.null() {
		return nil
	}
	n, err := strconv.ParseInt(s.number(), 10, 64)
	s.check(err)
	return &n
}

func (s *scanner) uint() uint64 {
	n, err := strconv.ParseUint(s.number(), 10, 64)
	s.check(err)
	return n
}

func (s *scanner) float() *float64 {
	if s.null() {
		return nil
	}
	f, err := strconv.ParseFloat(s.number(), 64)
	s.check(err)
	return &f
}

func (s *scanner) time() *time.Time {
	if s.null() {
		return nil
	}
	t, err := time.Parse(time.RFC3339, s.string())
	s.check(err)
	return &t
}
