package journal

// Faults are rules that a journal breaks, for the tests that must notice it. The zero value breaks none.
type Faults struct {
	ReuseEarly    bool // a segment is used again before its release is durable
	NoMarkers     bool // nothing says that a database that was made has been synced
	LateTombstone bool // files go before their removal is durable
	ByHandle      bool // a sync waits for the records of its own handle alone
	NoChecksums   bool // whatever is in a segment is whole
	HeadAtOnce    bool // the head of a log is not kept back
	NotTrimmed    bool // what a log has after its last whole transaction stays
	NeverSpilled  bool // a segment is released though files do not have all of it
}
