// Package redisserver starts a Redis for a measurement.
package redisserver

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"time"

	"github.com/redis/go-redis/v9"
)

// Start starts redis-server on a free port of this machine. It keeps nothing on
// disk.
func Start() (client *redis.Client, stop func(), err error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, nil, errors.New("apt-get install redis-server")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	addr := ln.Addr().String()
	if err := ln.Close(); err != nil {
		return nil, nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(program, "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", os.TempDir())
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	client = redis.NewClient(&redis.Options{Addr: addr})
	stop = func() {
		client.Close()
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	}
	for end := time.Now().Add(10 * time.Second); client.Ping(context.Background()).Err() != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			stop()
			return nil, nil, errors.New("redis-server does not answer")
		}
	}
	return client, stop, nil
}
