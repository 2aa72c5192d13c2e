package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gosup/tree"
)

// seqs returns the numbers of the events of a request that does not follow.
func seqs(t *testing.T, w *world, req EventsRequest) (out []uint64) {
	t.Helper()
	err := w.client().Events(soon(t), req, func(line []byte, _ bool) error {
		var e Event
		err := json.Unmarshal(line, &e)
		out = append(out, e.Seq)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEventsChoice(t *testing.T) {
	t.Parallel()
	f := newFake(running(1, "api/web"), running(2, "db@1"), running(3, "db@2"))
	for i, name := range []string{"", "api/web", "db@1", "old", "db@2", "api", "old/sub"} {
		f.now = tree.Time(i) * tree.Time(time.Minute)
		f.note(tree.Note{Process: name})
	}
	w := serve(t, f)
	for _, test := range []struct {
		name string
		req  EventsRequest
		want []uint64
	}{
		{"all", EventsRequest{Last: -1}, []uint64{1, 2, 3, 4, 5, 6, 7}},
		{"after a number", EventsRequest{Last: -1, Since: "5"}, []uint64{6, 7}},
		{"of the last minutes", EventsRequest{Last: -1, Since: "2m"}, []uint64{5, 6, 7}},
		{"the last ones", EventsRequest{Last: 2}, []uint64{6, 7}},
		{"none", EventsRequest{Last: 0}, nil},
		{"of a process", EventsRequest{Last: -1, Names: []string{"api/web"}}, []uint64{2}},
		{"of a group and what is in it", EventsRequest{Last: -1, Names: []string{"api"}}, []uint64{2, 6}},
		{"of all instances", EventsRequest{Last: -1, Names: []string{"db"}}, []uint64{3, 5}},
		{"by base name", EventsRequest{Last: -1, Names: []string{"web"}}, []uint64{2}},
		{"by glob", EventsRequest{Last: -1, Names: []string{"db@*"}}, []uint64{3, 5}},
		{"of what is no more", EventsRequest{Last: -1, Names: []string{"old"}}, []uint64{4, 7}},
		{"of several, the last", EventsRequest{Last: 2, Names: []string{"web", "db"}}, []uint64{3, 5}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, seqs(t, w, test.req)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A follower gets each event once and in order, and is told of a gap.
func TestEventsFollow(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.note(tree.Note{Process: "a"})
	w := serve(t, f)
	ctx, stop := context.WithCancel(soon(t))
	var got []string
	enough := errors.New("enough")
	err := w.client().Events(ctx, EventsRequest{Last: -1, Follow: true}, func(line []byte, _ bool) error {
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		got = append(got, fmt.Sprint(e.Seq, " ", e.Process, e.Cause))
		switch e.Seq {
		case 1:
			f.note(tree.Note{Process: "b"})
		case 2: // the ring runs over before the follower comes back
			f.update(func() { f.notes, f.forgot = nil, 9 })
			f.note(tree.Note{Process: "c"})
		case 10:
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	want := []string{"1 a", "2 b", "9 7 older events are no longer kept", "10 c"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	stop()
	if err := w.client().Events(ctx, EventsRequest{Follow: true}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that the context is over", err)
	}
}

// The end of the server ends its followers in good order.
func TestEventsEnd(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.note(tree.Note{})
	w := serve(t, f)
	err := w.client().Events(soon(t), EventsRequest{Last: -1, Follow: true}, func([]byte, bool) error {
		go w.server.Close(soon(t))
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
