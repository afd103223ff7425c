package guest

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"durago.example/wasm/abi"
)

// readRequest makes the http.Request of a Request frame. Strings and an inline body share the frame's memory.
func (e *event) readRequest(x *exchange) error {
	r := abi.NewReader(e.frame)
	method, target := view(r.Bytes()), view(r.Bytes())
	r.U8() // flags, of which there is none for this side
	g := e.scope.g
	header := g.readHeader(&r, x.values[:0])
	body, length := e.scope.readBody(&r)
	if err := r.Err(); err != nil {
		return err
	}
	u := &x.url
	if err := parseURL(u, target); err != nil {
		return err
	}
	if body == nil {
		body = http.NoBody
	}
	x.request = *(&http.Request{Method: method, URL: u, Host: u.Host, Header: header, Body: body, ContentLength: length,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, RequestURI: target}).WithContext(e) // inlined: nothing is allocated
	q := &x.request
	if i := strings.Index(target, u.Host); i >= 0 && u.Host != "" {
		q.RequestURI = target[i+len(u.Host):]
	}
	if ip := header["Cf-Connecting-Ip"]; len(ip) == 1 {
		q.RemoteAddr = g.client.addr(g, ip[0])
	}
	return nil
}

// parseURL parses the plain form scheme://host/path?query without the cost of url.Parse.
func parseURL(u *url.URL, s string) error {
	if i := strings.Index(s, "://"); i > 0 && strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '#') < 0 {
		rest := s[i+3:]
		if j := strings.IndexByte(rest, '/'); j > 0 && strings.IndexByte(rest[:j], '@') < 0 {
			u.Scheme, u.Host = s[:i], rest[:j]
			u.Path, u.RawQuery, _ = strings.Cut(rest[j:], "?")
			return nil
		}
	}
	parsed, err := url.Parse(s)
	if err == nil {
		*u = *parsed
	}
	return err
}

// client is the last one: many requests in a row are of one.
type client struct{ ip, address string }

// addr is what RemoteAddr says of an address.
func (c *client) addr(g *Guest, ip string) string {
	g.pin()
	if c.ip != ip {
		c.address = ip + ":0"
		c.ip = c.address[:len(ip)]
	}
	address := c.address
	g.unpin()
	g.settle()
	return address
}

// headerNames are the canonical forms of names that came before: finding one costs less than making it anew.
type headerNames struct {
	known map[string]string
	last  [16]struct{ sent, name string } // by their place: most requests have the same, in the same order
}

const maxHeaderNames = 256

// name is the canonical form of the name that is at a place.
func (n *headerNames) name(place int, b []byte) string {
	if place >= len(n.last) {
		return n.find(b)
	}
	last := &n.last[place]
	if last.sent != string(b) {
		name := n.find(b)
		if len(b) > 64 {
			return name
		}
		last.sent, last.name = string(b), name
	}
	return last.name
}

func (n *headerNames) find(b []byte) string {
	if s, ok := n.known[string(b)]; ok {
		return s
	}
	s := http.CanonicalHeaderKey(string(b))
	if len(n.known) < maxHeaderNames && len(b) <= 64 {
		n.known[string(b)] = s
	}
	return s
}

// readHeader reads Headers. values is room for some of what they say.
func (g *Guest) readHeader(r *abi.Reader, values []string) http.Header {
	n := int(r.U16())
	h := make(http.Header, n)
	if n > cap(values) {
		values = make([]string, 0, min(n, r.Len()/8))
	}
	for k := range n {
		g.pin()
		name := g.headerNames.name(k, r.Bytes())
		g.unpin()
		v := view(r.Bytes())
		if r.Err() != nil {
			break
		}
		if old, ok := h[name]; ok {
			h[name] = append(old, v)
			continue
		}
		values = append(values, v)
		h[name] = values[len(values)-1 : len(values) : len(values)]
	}
	g.settle()
	return h
}

// appendHeader appends h with its names in order, so that equal sets are equal bytes.
func appendHeader(b []byte, h http.Header) []byte {
	if v := h["Content-Type"]; len(h) == 1 && len(v) == 1 { // of most answers
		return abi.AppendStr(abi.AppendStr(abi.AppendU16(b, 1), "Content-Type"), v[0])
	}
	var space [16]string
	names, n := space[:0], 0
	for name, v := range h {
		names = append(names, name)
		n += len(v)
	}
	if len(names) > len(space) {
		slices.Sort(names)
	}
	for i := 1; i < len(names); i++ { // as quick as can be for a few
		for j := i; j > 0 && names[j] < names[j-1]; j-- {
			names[j], names[j-1] = names[j-1], names[j]
		}
	}
	b = abi.AppendU16(b, uint16(n))
	for _, name := range names {
		for _, v := range h[name] {
			b = abi.AppendStr(b, name)
			b = abi.AppendStr(b, v)
		}
	}
	return b
}

// outgoing is a request under way to elsewhere.
type outgoing struct {
	body   io.ReadCloser // pumped after the request has begun; nil if it went along
	inline []byte
	pass   *incoming
}

// maxInline is how much of a body goes along with its head.
const maxInline = 64 << 10

// prepareBody decides how r's body travels: with the head, as the incoming stream it is, or pumped.
func (s *scope) prepareBody(r *http.Request) (outgoing, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return outgoing{}, nil
	}
	if in, ok := r.Body.(*incoming); ok && in.scope == s && !in.touched && in.handle != 0 {
		in.pass()
		return outgoing{pass: in}, nil
	}
	head, err := io.ReadAll(io.LimitReader(r.Body, maxInline))
	if err != nil {
		return outgoing{}, err
	}
	if len(head) < maxInline {
		_ = r.Body.Close()
		return outgoing{inline: head}, nil
	}
	return outgoing{body: struct {
		io.Reader
		io.Closer
	}{io.MultiReader(strings.NewReader(view(head)), r.Body), r.Body}}, nil
}

func appendRequest(b []byte, r *http.Request, o outgoing, token uint32, flags byte) []byte {
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	b = abi.AppendStr(b, method)
	u := r.URL
	if u.Fragment != "" { // it stays with who asks
		bare := *u
		bare.Fragment, bare.RawFragment = "", ""
		u = &bare
	}
	b = abi.AppendStr(b, u.String())
	b = append(b, flags)
	b = appendHeader(b, r.Header)
	switch {
	case o.pass != nil:
		return abi.AppendU32(append(b, abi.BodyPass), o.pass.handle)
	case o.body != nil:
		return abi.AppendU32(append(b, abi.BodyStream), token)
	case len(o.inline) > 0:
		return append(append(b, abi.BodyInline), o.inline...)
	}
	return append(b, abi.BodyNone)
}

// readResponse makes an http.Response of a Response frame; socket is the handle of the socket that came with it, or 0.
func (s *scope) readResponse(r *http.Request, frame []byte) (resp *http.Response, socket uint32, err error) {
	f := abi.NewReader(frame)
	status := int(f.U16())
	socket = f.U32()
	header := s.g.readHeader(&f, nil)
	body, length := s.readBody(&f)
	if err := f.Err(); err != nil {
		return nil, 0, err
	}
	switch in, ok := body.(*incoming); {
	case !ok:
		body = http.NoBody
	case in.handle != 0:
		in.collect()
	}
	resp = &http.Response{Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: body, ContentLength: length, Request: r}
	return resp, socket, nil
}
