package control

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"gosup/logs"
	"gosup/spec"
)

// The media types of output: as it is, or one JSON object a line.
const (
	plainText = "text/plain; charset=utf-8"
	jsonLines = "application/jsonl"
)

// maxPattern bounds a grep, whose cost grows with its length.
const maxPattern = 1 << 10

// logs answers with what processes have written. The query: name, repeated,
// without which all are meant; n for the last n lines of each; since and
// until, a duration back or a time; stream; grep, a regular expression; follow
// to go on with what comes. With format=json each line is an object, else it
// is bare, with the name before it where there are several processes, or as
// prefix says: auto, always, never.
func (s *Server) logs(w http.ResponseWriter, r *http.Request) error {
	v := r.URL.Query()
	sources, several, err := s.sources(v["name"])
	if err != nil {
		return err
	}
	f, err := newLogFormat(v, sources, several)
	if err != nil {
		return err
	}
	q, err := s.parseLogQuery(v)
	if err != nil {
		return err
	}
	if q.Stream == "stderr" && len(sources) > 0 && !slices.ContainsFunc(sources, tellsStreams) {
		return problemf(CodeFailed, "set logs.format to text or json, or logs.stderr_file",
			"output of %s does not tell stderr from stdout: it is in one raw file", sources[0].Name)
	}
	ctx, cancel, err := s.stay(w, r, maxFollow)
	if err != nil {
		return err
	}
	defer cancel()
	if f.prefix {
		w.Header().Set(prefixHeader, strconv.Itoa(f.width+len(prefixEnd)))
	}
	out := s.newStream(w, f.mediaType)
	q.Idle = out.flush
	line := []byte(nil)
	err = s.sup.ReadOutput(ctx, sources, q, func(rec logs.Record) error {
		line = f.append(line[:0], &rec)
		_, err := out.buf.Write(line)
		return err
	})
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		out.flush()
	case errors.Is(err, logs.ErrSlow):
		out.fail(problemf(CodeFailed, "follow again", "%s", err))
	default:
		out.fail(problemf(CodeFailed, "", "%s", err))
	}
	return nil
}

// sources returns the processes that patterns mean, or all, and whether that
// is more than one. Those whose output is not kept are left out then.
func (s *Server) sources(patterns []string) (_ []logs.Source, several bool, err error) {
	nodes, err := choose(s.sup.Snapshot(), patterns)
	if err != nil {
		return nil, false, err
	}
	sources := make([]logs.Source, len(nodes))
	for i, n := range nodes {
		sources[i] = s.sup.Source(n)
	}
	kept := slices.DeleteFunc(slices.Clone(sources), func(s logs.Source) bool {
		return s.Logs.Output == spec.OutputNone || s.Logs.Output == spec.OutputInherit
	})
	if len(kept) == 0 && len(sources) > 0 {
		return nil, false, problemf(CodeFailed, "", "output of %s is not kept: logs.output is %s", sources[0].Name, sources[0].Logs.Output)
	}
	return kept, len(nodes) > 1, nil
}

// tellsStreams reports whether the kept output of a process says which stream a
// line came by.
func tellsStreams(s logs.Source) bool {
	return s.Logs.StderrFile != "" || s.Logs.Format != spec.FormatRaw || s.Logs.Output == spec.OutputConsole
}

func (s *Server) parseLogQuery(v url.Values) (q logs.Query, err error) {
	q = logs.Query{Lines: -1, Stream: v.Get("stream"), Follow: v.Get("follow") == "true"}
	if text := v.Get("n"); text != "" {
		if q.Lines, err = strconv.Atoi(text); err != nil || q.Lines < 0 {
			return q, problemf(CodeBadRequest, "", "n %q is no number of lines", text)
		}
	}
	if !slices.Contains([]string{"", "stdout", "stderr"}, q.Stream) {
		return q, problemf(CodeBadRequest, "use stdout or stderr", "there is no stream %q", q.Stream)
	}
	if q.Since, err = s.parseMoment("since", v.Get("since")); err != nil {
		return q, err
	}
	if q.Until, err = s.parseMoment("until", v.Get("until")); err != nil {
		return q, err
	}
	if text := v.Get("grep"); text != "" {
		if len(text) > maxPattern {
			return q, problemf(CodeBadRequest, "", "grep is longer than %d bytes", maxPattern)
		}
		if q.Grep, err = regexp.Compile(text); err != nil {
			return q, problemf(CodeBadRequest, "quote what is special with \\", "grep: %s", err)
		}
	}
	return q, nil
}

// parseMoment reads a moment: a duration back from now, or a time as RFC 3339
// has it. "" is the zero time.
func (s *Server) parseMoment(key, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return time.Time{}, problemf(CodeBadRequest, "write it like 10m or 2026-11-23T06:00:00Z", "%s %q is neither a duration nor a time", key, text)
	}
	return s.sup.Wall(s.sup.Now()).Add(-d), nil
}

// logFormat writes records of output.
type logFormat struct {
	mediaType string
	prefix    bool
	width     int    // of the names
	open      string // the process whose line has no end yet; "" if none
}

// prefixHeader says how many characters of each line are the prefix.
const prefixHeader = "Gosup-Prefix"

// prefixEnd stands between the name and the line.
const prefixEnd = " | "

func newLogFormat(v url.Values, sources []logs.Source, several bool) (*logFormat, error) {
	f := &logFormat{mediaType: plainText}
	switch v.Get("prefix") {
	case "", "auto":
		f.prefix = several
	case "always":
		f.prefix = true
	case "never":
	default:
		return nil, problemf(CodeBadRequest, "use auto, always or never", "there is no prefix %q", v.Get("prefix"))
	}
	switch v.Get("format") {
	case "", "text":
	case "json":
		f.mediaType, f.prefix = jsonLines, false
	default:
		return nil, problemf(CodeBadRequest, "use text or json", "there is no format %q", v.Get("format"))
	}
	for _, s := range sources {
		f.width = max(f.width, utf8.RuneCountInString(s.Name))
	}
	return f, nil
}

// append appends one record. The pieces of a long line make one line again,
// unless another process comes in between.
func (f *logFormat) append(out []byte, r *logs.Record) []byte {
	if f.mediaType == jsonLines {
		return r.AppendJSON(out)
	}
	if f.open != "" && f.open != r.Process {
		out = append(out, '\n')
		f.open = ""
	}
	if f.prefix && f.open == "" {
		out = append(out, r.Process...)
		out = append(out, strings.Repeat(" ", f.width-utf8.RuneCountInString(r.Process))...)
		out = append(out, prefixEnd...)
	}
	out = append(out, r.Line...)
	if r.Partial {
		f.open = r.Process
		return out
	}
	f.open = ""
	return append(out, '\n')
}
