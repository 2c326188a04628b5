package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// redisServer is the Redis of this cluster alone.
type redisServer struct {
	name          string // for people
	network, addr string
	close         func() error
}

// client returns a client that does not wait long for a server that hangs.
func (s *redisServer) client() *redis.Client {
	return redis.NewClient(&redis.Options{
		Network: s.network, Addr: s.addr,
		DialTimeout: time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second,
	})
}

// startRedis starts redis-server where it is installed.
func startRedis() (*redisServer, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return startMiniredis()
	}
	return startRedisServer(program)
}

// startMiniredis starts an imitation of Redis in this process.
func startMiniredis() (*redisServer, error) {
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	var clock sync.WaitGroup
	clock.Go(func() { // its keys expire only when it is told that time passes
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for last := time.Now(); ; {
			select {
			case now := <-tick.C:
				m.FastForward(now.Sub(last))
				last = now
			case <-ended:
				return
			}
		}
	})
	return &redisServer{
		name:    "miniredis in this process, for redis-server is not installed",
		network: "tcp", addr: m.Addr(),
		close: func() error {
			close(ended)
			clock.Wait()
			m.Close()
			return nil
		},
	}, nil
}

// startRedisServer starts a redis-server that keeps nothing beyond its end and
// listens on a socket in a folder of its own: no port that somebody may take
// first, and nobody else on this machine can talk to it.
func startRedisServer(program string) (*redisServer, error) {
	dir, err := os.MkdirTemp("", "cluster-redis-")
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "redis.sock")
	cmd := exec.Command(program, "--port", "0", "--unixsocket", socket, "--unixsocketperm", "700",
		"--dir", dir, "--save", "", "--appendonly", "no")
	spare(cmd)
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	s := &redisServer{
		name:    fmt.Sprintf("%s at %s", program, socket),
		network: "unix", addr: socket,
		close: func() error {
			cmd.Process.Signal(syscall.SIGTERM)
			return errors.Join(<-exited, os.RemoveAll(dir))
		},
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial(s.network, s.addr)
		if err == nil {
			return s, conn.Close()
		}
		select {
		case <-tick.C:
		case err := <-exited:
			return nil, errors.Join(fmt.Errorf("%s ended at once: %v", program, err), os.RemoveAll(dir))
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("%s does not answer: %w", program, err), s.close())
		}
	}
}
