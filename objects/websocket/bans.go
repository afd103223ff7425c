package websocket

import (
	"time"

	"durago.example/objects"
)

// Methods that keep users out of a room. Who is banned from one may enter others; a ban is of whom the room counts the
// session under, as User.ID.
var (
	// Ban keeps a user out for some milliseconds: the user's sessions are closed with CloseKicked and the reason, those that
	// wait are ended, and who comes back gets 403. Sessions is how many were connected. One that is banned already is banned
	// for that long from now.
	Ban = objects.Declare3[string, int64, string, int64]("ban", "user", "ms", "reason")
	// Unban lifts a ban. Done is false if there is none.
	Unban = objects.Declare1[string, bool]("unban", "user")
	// GetBans are the bans that are not over, those first that end first.
	GetBans = objects.Declare0[[]BannedUser]("getBans")
)

// BannedUser is a ban.
type BannedUser struct {
	User    string `js:"user_id"`
	UntilMS int64  `js:"until_ms"` // since 1970
	Reason  string `js:"reason"`
}

// Codes of errors of Ban.
const (
	InvalidBan  = "INVALID_BAN"   // nobody, or no time
	TooManyBans = "TOO_MANY_BANS" // MaxBans
)

// Bounds of bans.
const (
	MaxBans       = 1000 // of a room, at a time
	MaxBannedUser = 1024 // bytes of a user's id
	MaxBan        = 10 * 365 * 24 * time.Hour
)
