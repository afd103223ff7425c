package scenario

import (
	"fmt"
	"io"
	"math"
	"math/big"
	"net/http"
	"strings"
	"time"

	"durago.example/objects"
	"durago.example/wasm/value"
)

// kept are values of every kind that Go has, by the key they are stored under.
var kept = map[string]any{
	"kept/null": nil, "kept/bool": true, "kept/int": -3, "kept/wide": int64(-1)<<53 + 1, "kept/float": 1.5, "kept/zero": math.Copysign(0, -1),
	"kept/infinity": math.Inf(-1), "kept/ascii": "text", "kept/latin": "é", "kept/wider": "é€😀", "kept/bytes": []byte{0, 255}, "kept/time": time.UnixMilli(1e12).UTC(),
	"kept/bigint": new(big.Int).Neg(new(big.Int).Lsh(big.NewInt(5), 99)), "kept/list": []any{1, "a", nil, []any{2.5}}, "kept/floats": []float64{0.5, 1},
	"kept/object": map[string]any{"b": 1, "10": "ten", "9": "nine", "€": map[string]any{}}, "kept/map": value.Map{{Key: 1, Value: "x"}, {Key: "k", Value: []any{}}},
	"kept/set": value.Set{"a", 2}, "kept/regexp": value.RegExp{Source: "a+", Flags: "gi"}, "kept/sparse": value.Sparse{Length: 9, Items: map[uint32]any{3: "x"}},
	"kept/error": &value.Error{Name: "TypeError", Message: "m€", Props: map[string]any{"code": 42}},
}

// values are the routes of stored values.
func (h *Home) values(verb string, w http.ResponseWriter, r *http.Request) error {
	kv := h.state.Storage().KV()
	switch verb {
	case "keep":
		for key, v := range kept {
			if err := objects.NewKey[any](key).Put(kv, v); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
		fmt.Fprint(w, len(kept))
	case "kept": // a line for each, in the order of the keys
		for e, err := range objects.List[any](kv, &objects.ListOptions{Prefix: "kept/"}) {
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "%s=%T %v\n", e.Key, e.Value, e.Value)
		}
	case "undefined":
		key := objects.NewKey[any]("undefined")
		if err := key.Put(kv, value.Undefined{}); err != nil {
			return err
		}
		_, sync, err := key.Get(kv)
		if err != nil {
			return err
		}
		other := objects.NewKey[any]("other")
		if err := other.PutAsync(r.Context(), h.state.Storage().Async(), value.Undefined{}, nil); err != nil {
			return err
		}
		existed, err := other.Delete(kv)
		fmt.Fprintf(w, "%v %v", sync, existed)
		return err
	case "large":
		err := objects.NewKey[[]byte]("kk").Put(kv, make([]byte, number(r, "n")))
		fmt.Fprint(w, err)
	case "alarmat":
		at, ok, err := h.state.Storage().Alarm(r.Context())
		fmt.Fprintf(w, "%v %d", ok, at.UnixMilli())
		return err
	case "remember": // SQL rows of each kind
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		if _, err := h.sql.Exec(`CREATE TABLE IF NOT EXISTS rows (a, b, c, d); DELETE FROM rows`); err != nil {
			return err
		}
		_, err = h.sql.Exec(`INSERT INTO rows VALUES (?, ?, ?, ?), (1, 2.5, NULL, x'00ff')`, string(text), 1.5, nil, []byte{1})
		return err
	case "remembered":
		out, err := objects.One[string](h.sql, `SELECT group_concat(typeof(a) || a || typeof(b) || b || typeof(c) || typeof(d) || hex(d), ';') FROM rows`)
		fmt.Fprint(w, out)
		return err
	case "dump":
		return h.dump(w)
	}
	return nil
}

// dump writes how each table was made, and its rows as SQL writes them.
func (h *Home) dump(w io.Writer) error {
	type table struct{ Name, SQL string }
	for t, err := range objects.Query[table](h.sql, `SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\_cf\_%' ESCAPE '\' ORDER BY name`) {
		if err != nil {
			return err
		}
		fmt.Fprintln(w, t.SQL)
		type column struct{ Name string }
		var quoted []string
		for c, err := range objects.Query[column](h.sql, `SELECT name FROM pragma_table_info(?)`, t.Name) {
			if err != nil {
				return err
			}
			quoted = append(quoted, fmt.Sprintf(`quote("%s")`, c.Name))
		}
		for row, err := range objects.Query[string](h.sql, fmt.Sprintf(`SELECT %s FROM "%s" ORDER BY rowid`, strings.Join(quoted, " || ',' || "), t.Name)) {
			if err != nil {
				return err
			}
			fmt.Fprintln(w, row)
		}
	}
	return nil
}

// attach has the socket keep a string of so many characters, and tells what came of it.
func attach(ws *objects.WebSocket, n int) error {
	err := ws.SetAttachment(strings.Repeat("a", n))
	return ws.Send(objects.Text(fmt.Sprint(err)))
}
