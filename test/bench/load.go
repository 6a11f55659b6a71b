package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shake-live/shake/test/storm"
)

// fire sends every request once over so many kept connections, each with one request under way, and gives the
// latencies in order of size. An answer with another status than wanted ends it: a bench of errors measures
// nothing. It has no part in what is measured but its share of the machine, so it does as little as it can.
func fire(ctx context.Context, addr string, requests [][]byte, conns, want int) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	took := make([]time.Duration, len(requests))
	errs := make([]error, conns)
	var next atomic.Int64
	var wg sync.WaitGroup
	for i := range conns {
		wg.Go(func() {
			if errs[i] = pump(ctx, addr, requests, took, &next, want); errs[i] != nil {
				next.Store(int64(len(requests))) // the others may stop as well
			}
		})
	}
	wg.Wait()
	slices.Sort(took)
	return took, errors.Join(errs...)
}

// pump is one connection.
func pump(ctx context.Context, addr string, requests [][]byte, took []time.Duration, next *atomic.Int64, want int) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	for ctx.Err() == nil {
		i := int(next.Add(1)) - 1
		if i >= len(requests) {
			return nil
		}
		sent := time.Now()
		if _, err := conn.Write(requests[i]); err != nil {
			return err
		}
		status, body, err := storm.ReadAnswer(in)
		if err != nil {
			return err
		}
		took[i] = time.Since(sent)
		if status != want {
			return fmt.Errorf("request %d: status %d, want %d: %s", i, status, want, body)
		}
	}
	return ctx.Err()
}
