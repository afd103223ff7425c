package websocket

// PublishOptions of Publish.
type PublishOptions struct {
	// Key names the message, up to MaxKey bytes: however often one is published with it, it is in the room once. The room
	// remembers the last keys, as many as its Config says, over eviction and restarts.
	Key string `js:"key,omitempty"`
	// Exclude is the session that the message is not for.
	Exclude string `js:"exclude,omitempty"`
}

// Published is what became of a message.
type Published struct {
	Seq   int64 `js:"seq"`             // its number in the log; 0 if it is in none
	Again bool  `js:"again,omitempty"` // it was published before, with the same key
}

// MaxKey is how long a key may be, in bytes.
const MaxKey = 255

// Bounds of what can be asked of the log.
const (
	MaxEvents  = 16  // of a list of events
	MaxHistory = 100 // messages of a page
)

// HistoryOptions say which messages: those after After, the oldest first to come; or else the last before Before, or of
// all. Either way a page has them in order.
type HistoryOptions struct {
	After  *int64   `js:"after,omitempty"`
	Before int64    `js:"before,omitempty"`
	Limit  int64    `js:"limit,omitempty"`  // up to MaxHistory, which is the default
	Events []string `js:"events,omitempty"` // or with a colon at their end prefixes of events; default all
}

// HistoryPage is a page. If More is true the next one has Next in place of After, or of Before if there is no After. A page
// may be empty and not the last.
type HistoryPage struct {
	Messages []map[string]any `js:"messages"` // as they were sent, with their numbers in seq
	Seq      int64            `js:"seq"`      // the number of the newest message that there is
	More     bool             `js:"more"`
	Next     int64            `js:"next"`
	Gap      *Gap             `js:"gap,omitempty"` // what was asked for and is in the log no more
}

// Gap is a run of numbers, both ends included.
type Gap struct {
	From int64 `js:"from" json:"from"`
	To   int64 `js:"to" json:"to"`
}
