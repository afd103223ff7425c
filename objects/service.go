package objects

import (
	"context"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
	"durago.example/wasm/value"
)

// Service is a named entrypoint: a class without storage, made anew for each event. Other workers, and this one, reach it
// by a service binding that names it. See
// https://developers.cloudflare.com/workers/runtime-apis/bindings/service-bindings/rpc/#named-entrypoints.
type Service struct{ class *Class }

// NewService makes an entrypoint of the given name: its constructor, which runs for each event, and its RPC methods. If T
// is an http.Handler it answers requests too. ctx is the event's; Props reads what the binding says.
func NewService[T any](name string, create func(ctx context.Context) (*T, error), methods ...Method[T]) *Service {
	return &Service{NewClass(name, func(s *State) (*T, error) { return create(s.Context()) }, methods...)}
}

func (s *Service) describe() abi.ManifestClass {
	m := s.class.describe()
	return abi.ManifestClass{Name: m.Name, Methods: m.Methods, Fetch: m.Fetch}
}

// Props reads the props of the service binding by which the event of ctx came into v, a pointer. ok is false if it came by
// none, or that has none. Who calls cannot choose them: they may say what it is allowed to do.
func Props(ctx context.Context, v any) (ok bool, err error) {
	b, _ := ctx.Value(driver.PropsKey).([]byte)
	if len(b) == 0 {
		return false, nil
	}
	return true, value.Unmarshal(b, v)
}

// ServiceOf is a stub of the worker or entrypoint that a service binding names, for the object or request that ctx belongs
// to. An unknown name fails at the stub's first use.
func ServiceOf(ctx context.Context, binding string) *Stub {
	s := scopeOf(ctx)
	if s == nil {
		return &Stub{err: errNoScope}
	}
	t, err := s.Platform().Service(binding)
	return &Stub{stub: t, err: err}
}
