//go:build linux

// Command checks is the least that a Go program does for HTTP health checks:
// a goroutine and a ticker for each of COUNT checks, one GET of URL/ID a
// second. It runs until it is ended.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: checks URL COUNT")
		os.Exit(2)
	}
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	client := &http.Client{
		Timeout:   time.Second,
		Transport: &http.Transport{DisableKeepAlives: true},
	}
	var all sync.WaitGroup
	for id := range count {
		all.Go(func() {
			// Spread over the second, as a supervisor would.
			<-time.After(time.Duration(id) * time.Second / time.Duration(count))
			for range time.Tick(time.Second) {
				check(client, os.Args[1]+"/"+strconv.Itoa(id))
			}
		})
	}
	all.Wait()
}

func check(client *http.Client, url string) {
	resp, err := client.Get(url)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
}
