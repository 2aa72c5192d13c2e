package healthcheck

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// serverVariable makes the test binary the server that the benchmarks ask: it
// has to be another process, or its CPU time would be counted as ours.
const serverVariable = "HEALTHCHECK_BENCH_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(serverVariable) == "" {
		os.Exit(m.Run())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("http://" + l.Addr().String() + "/healthz")
	go func() { // ends the process with the benchmark
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "ok\n") }))
}

// otherProcess starts a server in another process and returns its URL.
func otherProcess(b *testing.B) string {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverVariable+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(url)
}

// cpu returns the CPU time that this process has used.
func cpu() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkHTTP asks at a fixed rate, each probe on a goroutine of its own,
// batch of them at a time, and reports the CPU time of one. Run it with
// -benchtime=1000x or so; the time for each operation is the rate's. The row
// "nothing" is the cost of waking up; "transport" is net/http's.
func BenchmarkHTTP(b *testing.B) {
	url := otherProcess(b)
	var p Prober
	probe := get(url)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	asks := []struct {
		name string
		ask  func(context.Context) error
	}{
		{"nothing", func(context.Context) error { return nil }},
		{"prober", func(ctx context.Context) error {
			if r := p.HTTP(ctx, probe, time.Minute); r.Verdict != Healthy {
				return fmt.Errorf("%s: %s", r.Verdict, r.Reason)
			}
			return nil
		}},
		{"transport", func(ctx context.Context) error { return ask(ctx, client, url) }},
	}
	for _, load := range []struct{ rate, batch int }{{200, 1}, {1000, 1}, {1000, 5}} {
		for _, a := range asks {
			b.Run(fmt.Sprintf("%d/s/by%d/%s", load.rate, load.batch, a.name), func(b *testing.B) {
				used := cpu()
				pace(b, load.rate, load.batch, a.ask)
				b.ReportMetric(float64((cpu()-used).Microseconds())/1000/float64(b.N), "cpu-ms/check")
			})
		}
	}
}

// ask is a probe as net/http's client makes it.
func ask(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody))
	return err
}

// pace calls ask b.N times, batch at once, rate times a second.
func pace(b *testing.B, rate, batch int, ask func(context.Context) error) {
	var wg sync.WaitGroup
	begin, tick := time.Now(), time.NewTimer(0)
	defer tick.Stop()
	for i := 0; i < b.N; i++ {
		if i%batch == 0 {
			<-tick.C
			tick.Reset(time.Until(begin.Add(time.Duration(i+batch) * time.Second / time.Duration(rate))))
		}
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			if err := ask(ctx); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
}
