package stores

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisLocker is an oidcrp.Locker in Redis. A lock is a key that ends with its
// lease, so that a node that dies lets go of it; a node that lives renews it.
// Who lets go says so, and who waits hears it.
type RedisLocker struct {
	Client *redis.Client
	Lease  time.Duration // zero: ten seconds
}

// A lock is renewed and released by its holder alone: after a long pause it may
// be another's.
var (
	renew   = redis.NewScript(`return redis.call("get", KEYS[1]) == ARGV[1] and redis.call("pexpire", KEYS[1], ARGV[2]) or 0`)
	release = redis.NewScript(`if redis.call("get", KEYS[1]) == ARGV[1] then redis.call("del", KEYS[1]) redis.call("publish", KEYS[1], "free") end return 0`)
)

// Lock implements oidcrp.Locker.
func (l *RedisLocker) Lock(ctx context.Context, key string) (unlock func(), err error) {
	key = "lock:" + key
	holder := rand.Text()
	took, err := l.take(ctx, key, holder)
	if err == nil && !took {
		err = l.await(ctx, key, holder)
	}
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		l.renew(ctx, key, holder)
	}()
	return func() {
		stop()
		<-renewed
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.lease())
		defer cancel()
		release.Run(ctx, l.Client, []string{key}, holder) // or it ends by itself
	}, nil
}

func (l *RedisLocker) lease() time.Duration {
	if l.Lease > 0 {
		return l.Lease
	}
	return 10 * time.Second
}

func (l *RedisLocker) take(ctx context.Context, key, holder string) (bool, error) {
	return l.Client.SetNX(ctx, key, holder, l.lease()).Result()
}

// await tries again when the lock is released, and when its lease ends.
func (l *RedisLocker) await(ctx context.Context, key, holder string) error {
	news := l.Client.Subscribe(ctx, key)
	defer news.Close()
	if _, err := news.Receive(ctx); err != nil { // nothing is missed from here on
		return err
	}
	for {
		took, err := l.take(ctx, key, holder)
		if err != nil || took {
			return err
		}
		left, err := l.Client.PTTL(ctx, key).Result()
		if err != nil {
			return err
		}
		ended := time.NewTimer(max(left, time.Millisecond))
		select {
		case <-news.Channel():
		case <-ended.C:
		case <-ctx.Done():
			err = ctx.Err()
		}
		ended.Stop()
		if err != nil {
			return err
		}
	}
}

func (l *RedisLocker) renew(ctx context.Context, key, holder string) {
	tick := time.NewTicker(l.lease() / 3)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			renew.Run(ctx, l.Client, []string{key}, holder, l.lease().Milliseconds()) // or at the next tick
		case <-ctx.Done():
			return
		}
	}
}
