// Package kv simulates Workers KV: values with expiry under names, in one database of the data directory. See
// https://developers.cloudflare.com/kv/api/.
package kv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"durago.example/host/clock"
	"durago.example/host/storage"
)

// Limits of the platform.
const (
	MaxKey   = 512
	MaxValue = 25 << 20
	MinTTL   = 60 * time.Second
	MaxList  = 1000
)

// Store holds all namespaces. It may be used from any goroutine.
type Store struct {
	mu    sync.Mutex
	db    *storage.Database
	clock clock.Clock
}

// New makes a store over a database that is the store's alone.
func New(db *storage.Database, c clock.Clock) *Store { return &Store{db: db, clock: c} }

// Close closes the database.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.db.Close()
}

// Namespace is one namespace.
func (s *Store) Namespace(id string) *Namespace { return &Namespace{s, id + "\x00"} }

// Namespace maps keys to values.
type Namespace struct {
	s      *Store
	prefix string
}

func checkKey(key string) error {
	switch {
	case key == "":
		return errors.New("Key name cannot be empty.")
	case key == "." || key == "..":
		return fmt.Errorf("%q is not allowed as a key name.", key)
	case len(key) > MaxKey:
		return fmt.Errorf("UTF-8 encoded length of %d exceeds key length limit of %d.", len(key), MaxKey)
	}
	return nil
}

// Get reads a value.
func (n *Namespace) Get(key string) (value []byte, ok bool, err error) {
	if err := checkKey(key); err != nil {
		return nil, false, err
	}
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	b, ok, err := n.s.db.Get(n.prefix + key)
	if !ok || err != nil || n.expired(b) {
		return nil, false, err
	}
	return b[8:], true, nil
}

func (n *Namespace) expired(b []byte) bool {
	if len(b) < 8 {
		return true
	}
	at := int64(binary.LittleEndian.Uint64(b))
	return at != 0 && at <= n.s.clock.Now().UnixMilli()
}

// Put writes a value and waits until it is durable; ttl is at least MinTTL, or 0 for no expiry.
func (n *Namespace) Put(key string, value []byte, ttl time.Duration) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if len(value) > MaxValue {
		return fmt.Errorf("Value length of %d exceeds limit of %d.", len(value), MaxValue)
	}
	var at int64
	if ttl != 0 {
		if ttl < MinTTL {
			return fmt.Errorf("Invalid expiration_ttl of %d. Expiration TTL must be at least %d.", int(ttl/time.Second), int(MinTTL/time.Second))
		}
		at = n.s.clock.Now().Add(ttl).UnixMilli()
	}
	b := append(binary.LittleEndian.AppendUint64(nil, uint64(at)), value...)
	return n.write(func() error { return n.s.db.Put(n.prefix+key, b) })
}

// Delete removes a value and waits until that is durable.
func (n *Namespace) Delete(key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	return n.write(func() error { _, err := n.s.db.Delete(n.prefix + key); return err })
}

func (n *Namespace) write(f func() error) error {
	durable := make(chan error, 1)
	n.s.mu.Lock()
	err := f()
	committed := false
	if err == nil {
		committed, err = n.s.db.Commit(func(err error) { durable <- err })
	}
	if n.s.db.Due(true) {
		n.s.db.Checkpoint(func() {}) // who comes meanwhile waits, as for the writes of others
	}
	n.s.mu.Unlock()
	if err != nil || !committed {
		return err
	}
	return <-durable
}

// List reads up to limit keys with a prefix after cursor; next is empty at the end.
func (n *Namespace) List(prefix, cursor string, limit int) (keys []string, next string, err error) {
	if limit <= 0 || limit > MaxList {
		limit = MaxList
	}
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	p := n.prefix + prefix
	o := storage.ListOptions{Prefix: &p}
	if cursor != "" {
		after := n.prefix + cursor
		o.StartAfter = &after
	}
	entries, err := n.s.db.List(o)
	for _, e := range entries {
		if n.expired(e.Value) {
			continue
		}
		if len(keys) == limit {
			return keys, keys[limit-1], err
		}
		keys = append(keys, e.Key[len(n.prefix):])
	}
	return keys, "", err
}
