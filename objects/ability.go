package objects

import (
	"context"
	"net/http"
	"time"
)

// AlarmHandler is a class that sets alarms. An error or a panic has the alarm run again after 2, 4, 8 … seconds, six
// times at most. See https://developers.cloudflare.com/durable-objects/api/alarms/.
type AlarmHandler interface {
	Alarm(ctx context.Context, info AlarmInfo) error
}

// AlarmInfo says which alarm runs.
type AlarmInfo struct {
	ScheduledTime time.Time
	RetryCount    int // 0 on the first run
}

// IsRetry tells whether an earlier run failed.
func (i AlarmInfo) IsRetry() bool { return i.RetryCount > 0 }

// MessageHandler is a class with hibernatable sockets: it gets each message that a client sends. Messages of one
// socket start in order; one that waits lets the next start. See
// https://developers.cloudflare.com/durable-objects/best-practices/websockets/.
type MessageHandler interface {
	WebSocketMessage(ctx context.Context, ws *WebSocket, m Message) error
}

// CloseHandler is told that a client closes. It answers with ws.Close to end the handshake.
type CloseHandler interface {
	WebSocketClose(ctx context.Context, ws *WebSocket, c CloseInfo) error
}

// ErrorHandler is told that a socket failed.
type ErrorHandler interface {
	WebSocketError(ctx context.Context, ws *WebSocket, err error) error
}

type abilities struct{ fetch, alarm, message, close, error bool }

func abilitiesOf(zero any) (a abilities) {
	_, a.fetch = zero.(http.Handler)
	_, a.alarm = zero.(AlarmHandler)
	_, a.message = zero.(MessageHandler)
	_, a.close = zero.(CloseHandler)
	_, a.error = zero.(ErrorHandler)
	return a
}
