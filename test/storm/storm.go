// Package storm sends requests at a rate that does not care for the answers, as a country does.
package storm

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// Answer is what became of a request.
type Answer struct {
	Status int           // 0: none came, or it was never sent since all phones were waiting
	Took   time.Duration // from when it was due; 0: it was never sent
}

// Hold bounds how long an answer is waited for.
const Hold = 10 * time.Second

// mostPhones bounds the connections: a node lets only so many in.
const mostPhones = 16000

// Run sends so many requests a second to addr and waits for all answers. Each goes over the connection of an idle phone.
// There are as many phones as lose their patience when nobody is answered.
func Run(ctx context.Context, addr string, requests [][]byte, rate float64) ([]Answer, error) {
	phones := min(mostPhones, files()*7/8, max(64, int(rate*1.2*Patience.Seconds())))
	s := &storm{requests: requests, answers: make([]Answer, len(requests)), interval: time.Duration(float64(time.Second) / rate)}
	conns, err := dial(ctx, addr, phones)
	if err != nil {
		return nil, err
	}
	idle := make(chan chan int, phones)
	for _, conn := range conns {
		next := make(chan int, 1)
		idle <- next
		go s.phone(ctx, conn, next, idle)
	}
	s.send(ctx, idle)
	for range conns { // all have had their answers, or given up
		close(<-idle)
	}
	return s.answers, ctx.Err()
}

// files is how many files this process may open.
func files() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return int(min(limit.Cur, 1<<20))
}

type storm struct {
	requests [][]byte
	answers  []Answer
	interval time.Duration
	began    time.Time
}

func dial(ctx context.Context, addr string, n int) ([]net.Conn, error) {
	conns := make([]net.Conn, n)
	var dialling errgroup.Group
	dialling.SetLimit(64)
	for i := range conns {
		dialling.Go(func() (err error) {
			conns[i], err = (&net.Dialer{Timeout: Hold}).DialContext(ctx, "tcp", addr)
			return err
		})
	}
	err := dialling.Wait()
	if err != nil {
		for _, conn := range conns {
			if conn != nil {
				_ = conn.Close()
			}
		}
	}
	return conns, err
}

// due is when request i is sent.
func (s *storm) due(i int) time.Time { return s.began.Add(time.Duration(i) * s.interval) }

func (s *storm) send(ctx context.Context, idle chan chan int) {
	s.began = time.Now()
	for i := range s.requests {
		if ctx.Err() != nil {
			return
		}
		time.Sleep(time.Until(s.due(i)))
		select {
		case next := <-idle:
			next <- i
		default:
		}
	}
}

// phone is one connection: it sends what is due and waits for the answer. A door closes what has been silent for some
// seconds, and there are many to dial: a connection that is found closed when it is first used is dialled once more, as
// every browser does.
func (s *storm) phone(ctx context.Context, conn net.Conn, next chan int, idle chan chan int) {
	defer func() { _ = conn.Close() }()
	in, used := bufio.NewReaderSize(conn, 2048), false
	for i := range next {
		a := &s.answers[i]
		status, err := s.ask(conn, in, i)
		if err != nil && !used && !errors.Is(err, os.ErrDeadlineExceeded) {
			if fresh, dialErr := dial(ctx, conn.RemoteAddr().String(), 1); dialErr == nil {
				_ = conn.Close()
				conn = fresh[0]
				in.Reset(conn)
				status, err = s.ask(conn, in, i)
			}
		}
		used = true
		if a.Status, a.Took = status, time.Since(s.due(i)); err != nil {
			a.Status = 0 // the door hung up: whatever this phone is sent from now on is lost
		}
		idle <- next
	}
}

// ask sends request i and reads its answer.
func (s *storm) ask(conn net.Conn, in *bufio.Reader, i int) (status int, err error) {
	_ = conn.SetDeadline(time.Now().Add(Hold))
	if _, err = conn.Write(s.requests[i]); err == nil {
		status, _, err = ReadAnswer(in)
	}
	return status, err
}

var lengthHeader = []byte("Content-Length: ")

// ReadAnswer reads one HTTP/1.1 answer; the body counts until the next read.
func ReadAnswer(in *bufio.Reader) (status int, body []byte, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 {
		return 0, nil, fmt.Errorf("no answer: %q", line)
	}
	status = int(line[9]-'0')*100 + int(line[10]-'0')*10 + int(line[11]-'0')
	length := 0
	for {
		if line, err = in.ReadSlice('\n'); err != nil {
			return 0, nil, err
		}
		if len(line) <= 2 {
			break
		}
		if text, ok := bytes.CutPrefix(line, lengthHeader); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(text))); err != nil {
				return 0, nil, err
			}
		}
	}
	if body, err = in.Peek(length); err != nil {
		return 0, nil, err
	}
	_, err = in.Discard(length)
	return status, body, err
}
