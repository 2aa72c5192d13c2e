package config

import (
	"maps"
	"time"

	"gosup/spec"
)

// logs is the logs: of a process while it is read.
type logs struct {
	spec.Logs
	at places
}

func defaultLogs() logs {
	return logs{
		Logs: spec.Logs{ConsoleFormat: spec.FormatPrefix, MaxSizeBytes: 10 << 20, MaxFiles: 5},
		at:   places{},
	}
}

func logsTable() table[logs] {
	formats := []spec.Format{spec.FormatRaw, spec.FormatText, spec.FormatJSON}
	console := []spec.Format{spec.FormatPrefix, spec.FormatRaw, spec.FormatJSON}
	compressions := []string{spec.CompressNone.String(), spec.CompressGzip.String(), spec.CompressZstd.String()}
	return table[logs]{
		name: "logs",
		doc:  "What becomes of what a process writes to stdout and stderr.",
		keys: []key[logs]{
			choiceKey("output", "auto", "Where it goes. `auto`: to the console as PID 1, on `run -- CMD` and when gosup's stdout"+
				" is a terminal (then to the file as well), else to the file. `inherit`: straight to gosup's own stdout and stderr.",
				spec.OutputNames(), func(l *logs, i int) { l.Output = spec.Output(i) }),
			pathKey("file", "<log_dir>/<name>.log, in a group <log_dir>/<group>/<name>.log",
				"The file, with both streams in the order they were written.",
				func(l *logs) *string { return &l.File }),
			{
				name: "stderr_file", kind: stringKind("path"),
				doc: "A file for stderr alone.",
				set: func(r *reader, n node, to *logs) {
					if s, ok := r.str(n, form{"a path", `write "" for none`}); ok && s == "" {
						to.StderrFile = ""
					} else if ok {
						to.StderrFile = absolute(n.at.src.dir, s)
					}
				},
			},
			choiceKey("format", "raw", "How lines are written to the file: as they are, after their time and stream, or as JSON objects.",
				formatNames(formats), func(l *logs, i int) { l.Format = formats[i] }),
			choiceKey("console_format", "prefix", "How lines are written to the console: after the process's name, as they are, or as JSON objects.",
				formatNames(console), func(l *logs, i int) { l.ConsoleFormat = console[i] }),
			sizeKey("max_size", "10MiB", "The size at which a file is rotated, at a line's end. 0: never.",
				func(l *logs) *int64 { return &l.MaxSizeBytes }),
			intKey("max_files", "5", "How many rotated files are kept, beside the live one.", 0, 10_000,
				func(l *logs) *int { return &l.MaxFiles }),
			{
				name: "max_age", kind: ageKind(), def: "0",
				doc: "How long rotated files are kept, in days or as a duration. 0: without limit.",
				set: func(r *reader, n node, to *logs) {
					if v, ok := r.age(n); ok {
						to.MaxAge = v
					}
				},
			},
			choiceKey("compress", "none", "How rotated files are compressed.", compressions,
				func(l *logs, i int) { l.Compress = spec.Compression(i) }),
			choiceKey("on_full", "drop", "On a full disk: lines are dropped, counted and the gap noted, or the process waits.",
				[]string{"drop", "block"}, func(l *logs, i int) { l.BlockOnFull = i == 1 }),
		},
	}
}

func formatNames(formats []spec.Format) []string {
	var out []string
	for _, f := range formats {
		out = append(out, f.String())
	}
	return out
}

func ageKind() kind {
	k := durationKind()
	k.text = "days or duration"
	k.schema.AnyOf[0].AnyOf[1].Maximum = nil
	return k
}

const maxAgeDays = 36_500

// age returns a duration; a bare number is one of days.
func (r *reader) age(n node) (time.Duration, bool) {
	if s, ok := r.scalar(n, form{"a number of days or a duration", "such as 7 or 36h"}); !ok {
		return 0, false
	} else if s.is("!!int") && !hasUnit(s.text) {
		days, ok := r.integer(n, 0, maxAgeDays)
		return time.Duration(days) * 24 * time.Hour, ok
	}
	return r.duration(n)
}

func hasUnit(s string) bool { return s != "" && s[len(s)-1] > '9' }

func (l logs) clone() logs {
	l.at = maps.Clone(l.at)
	return l
}
