package ratelimit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"durago.example/objects"
)

// MiddlewareOptions say how requests are limited. Key or Descriptors must be set; other zero fields are the defaults.
type MiddlewareOptions struct {
	// Rule is the rule of the requests, "default", and Key the key of each. Requests without a key share one.
	Rule string
	Key  KeyFunc
	// Descriptors, if set, are used in place of Rule and Key: see Hierarchy. None lets the request pass unlimited.
	Descriptors func(r *http.Request) []Descriptor
	// Cost is the cost of a request in units; default 1.
	Cost func(r *http.Request) int64

	// Binding is that of the limiter's class, "RATE_LIMITER". Object is the name of the object that has a request's
	// descriptors; default the key of the first, so that each key or tenant has an object of its own.
	Binding string
	Object  func(d []Descriptor) string
	// Caller, if set, is used in place of the binding.
	Caller func(ctx context.Context, object string) objects.Caller

	// Timeout bounds the wait for the object; default one second. When it has passed, or the object has failed, the
	// request goes on, or, if FailClosed is set, gets 503; what the object took, it keeps. What the caller did wrong, such as a rule that is not there,
	// is 500 either way.
	Timeout    time.Duration
	FailClosed bool

	// Blocked is how many refusals are remembered; default 1,024, negative none. A request that one of them answers costs
	// no call; what changes at the object meanwhile is seen within ten seconds.
	Blocked int
	// Loan, if it is above 0, is how many units are borrowed at a time: see Allowance. The rule must have a Loan too.
	Loan int64

	// Partition, if set, is the partition key of a key in the RateLimit fields, which clients see.
	Partition func(key string) []byte
	// Report, if set, is told of each decision that is not a remembered refusal, for shadow limits and for counting, and of
	// each error, which are else logged.
	Report func(r *http.Request, d Decision, err error)
	// WaitUntil runs what may outlast the request: releasing what it held. Default objects.WaitUntil.
	WaitUntil func(ctx context.Context, f func(ctx context.Context) error)
}

// Middleware limits the requests to a handler. Each takes its cost, and goes on with the RateLimit fields set, or is
// answered by WriteProblem. What a limit with Concurrency gave is held until the handler returns; its period must be
// longer than a request takes. It panics if neither Key nor Descriptors is set.
//
// The memory of what it returns is bounded by Blocked and by the 1,024 loans of an Allowance, and shared by all handlers
// that it wraps.
func Middleware(o MiddlewareOptions) func(http.Handler) http.Handler {
	if o.Key == nil && o.Descriptors == nil {
		panic("ratelimit: Middleware needs a Key, such as ClientIP()")
	}
	o.defaults()
	m := &middleware{MiddlewareOptions: o, blocked: blocked{most: max(0, o.Blocked)}, allowance: Allowance{Units: o.Loan}}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.serve(w, r, next) })
	}
}

func (o *MiddlewareOptions) defaults() {
	if o.Rule == "" {
		o.Rule = DefaultRule
	}
	if o.Descriptors == nil {
		rule, key := o.Rule, o.Key
		o.Descriptors = func(r *http.Request) []Descriptor {
			k, ok := key(r)
			if !ok {
				k = "-"
			}
			return []Descriptor{{Rule: rule, Key: k}}
		}
	}
	if o.Cost == nil {
		o.Cost = func(*http.Request) int64 { return 1 }
	}
	if o.Binding == "" {
		o.Binding = "RATE_LIMITER"
	}
	if o.Object == nil {
		o.Object = func(d []Descriptor) string { return d[0].Key }
	}
	if o.Caller == nil {
		binding := o.Binding
		o.Caller = func(ctx context.Context, object string) objects.Caller {
			return objects.NamespaceOf(ctx, binding).GetByName(object)
		}
	}
	if o.Timeout == 0 {
		o.Timeout = time.Second
	}
	if o.Blocked == 0 {
		o.Blocked = 1024
	}
	if o.Report == nil {
		o.Report = func(r *http.Request, _ Decision, err error) {
			if err != nil {
				log.Printf("ratelimit: %s %s: %v", r.Method, r.URL.Path, err)
			}
		}
	}
	if o.WaitUntil == nil {
		o.WaitUntil = objects.WaitUntil
	}
}

type middleware struct {
	MiddlewareOptions
	blocked   blocked
	allowance Allowance
}

func (m *middleware) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	list := m.Descriptors(r)
	if len(list) == 0 {
		next.ServeHTTP(w, r)
		return
	}
	list = short(list)
	q := Request{Descriptors: list, Cost: m.Cost(r)}
	to := m.Caller(r.Context(), m.Object(list))
	d, err := m.decide(r, to, q)
	switch {
	case err != nil && Code(err) != "" && Code(err) != Full:
		http.Error(w, "the rate limiter is not set up", http.StatusInternalServerError)
	case err != nil && m.FailClosed:
		writeUnavailable(w)
	case err != nil:
		next.ServeHTTP(w, r)
	case !d.Allowed:
		WriteProblem(w, &d, m.Partition)
	default:
		WriteFields(w.Header(), d.Limits, m.Partition)
		if q.Lease = d.Lease; q.Lease != "" {
			defer m.WaitUntil(r.Context(), func(ctx context.Context) error {
				_, err := Release.Call(ctx, to, q)
				return err
			})
		}
		next.ServeHTTP(w, r)
	}
}

// decide asks what is remembered, what is borrowed, and the object, in that order.
func (m *middleware) decide(r *http.Request, to objects.Caller, q Request) (Decision, error) {
	key := id(q.Descriptors)
	now := time.Now()
	if d, ok := m.blocked.find(key, q.Cost, now); ok {
		return d, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), m.Timeout)
	defer cancel()
	d, err := m.allowance.Take(ctx, to, q)
	m.Report(r, d, err)
	if err == nil && !d.Allowed && lasting(q, &d) {
		m.blocked.add(key, q.Cost, d, now)
	}
	return d, err
}

// lasting tells whether a refusal holds for as long as it says, and for all requests of the same cost: what is held may
// be released at any time.
func lasting(q Request, d *Decision) bool {
	for i := range q.Descriptors {
		if q.Descriptors[i].Cost != nil {
			return false
		}
	}
	for i := range d.Limits {
		if l := &d.Limits[i]; l.Exceeded && l.Unit == "concurrent-requests" {
			return false
		}
	}
	return true
}

func id(list []Descriptor) string {
	var b strings.Builder
	for i := range list {
		b.WriteString(list[i].Rule)
		b.WriteByte('/')
		b.WriteString(list[i].Key)
		b.WriteByte(0)
	}
	return b.String()
}

// longest is the longest key that is used as it is, in bytes. A client that can choose its key must not get past the
// limiter with one that the object refuses.
const longest = 256

// short are the descriptors with keys that the object takes: a digest in place of any that is long or no text.
func short(list []Descriptor) []Descriptor {
	var out []Descriptor
	for i := range list {
		if k := list[i].Key; k == "" || len(k) > longest || !utf8.ValidString(k) {
			if out == nil {
				out = append(out, list...)
			}
			sum := sha256.Sum256([]byte(k))
			out[i].Key = "sha256:" + hex.EncodeToString(sum[:])
		}
	}
	if out == nil {
		return list
	}
	return out
}
