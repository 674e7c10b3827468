package applet

import (
	"encoding/json"
	"errors"
	"fmt"
)

// NamedHook takes and gives JSON. Hook makes one of a function with types of its own.
type NamedHook func(payload []byte) ([]byte, error)

// Hooks are an applet's. Those that are missing succeed, and do nothing.
type Hooks struct {
	Install, Uninstall, Enable, Disable func() error
	// Upgrade is told the version that was active before.
	Upgrade func(from string) error
	// Named are those that the manifest names.
	Named map[string]NamedHook
}

var registered Hooks

// Register says what the host's calls lead to. An applet calls it in its init; its main is never called.
func Register(hooks Hooks) {
	registered = hooks
}

// Hook makes a named hook of a function that takes what JSON can be read into, and gives what can be written as JSON.
func Hook[I, O any](function func(I) (O, error)) NamedHook {
	return func(payload []byte) ([]byte, error) {
		var input I
		if err := json.Unmarshal(payload, &input); err != nil {
			return nil, &HookError{"bad-payload", fmt.Sprintf("the payload does not fit: %v", err)}
		}
		output, err := function(input)
		if err != nil {
			return nil, err
		}
		return json.Marshal(output)
	}
}

func callNamed(name string, payload []byte) ([]byte, error) {
	hook, ok := registered.Named[name]
	if !ok {
		return nil, &HookError{"no-such-hook", fmt.Sprintf("there is no hook `%s`", name)}
	}
	return hook(payload)
}

// hookErrorOf is what the host is told of an error.
func hookErrorOf(err error) *HookError {
	var own *HookError
	var hosts *Error
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &hosts):
		return &HookError{hosts.Code, hosts.Error()}
	default:
		return &HookError{"failed", err.Error()}
	}
}
