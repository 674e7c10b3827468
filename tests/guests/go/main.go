// The conformance guest in Go; what each hook does is in tests/conformance/README.md.
package main

import (
	"encoding/json"
	"runtime/debug"

	applet "applet-sdk"
)

func runQuery(payload query) (any, error) {
	statement, err := payload.read()
	if err != nil {
		return nil, err
	}
	if payload.Encoding == "json" {
		rows, err := applet.QueryJSON(statement.SQL, statement.Parameters...)
		if err != nil {
			return answered(nil, err)
		}
		text := json.RawMessage(rows.Text)
		return result{columnsOf(rows.Columns), text, rows.Count, rows.Truncated, rows.Affected}, nil
	}
	return packed(applet.Query(statement.SQL, statement.Parameters...))
}

func packed(rows *applet.Rows, err error) (any, error) {
	if err != nil {
		return answered(nil, err)
	}
	return resultOf(rows)
}

func execute(payload statement) (any, error) {
	statement, err := payload.read()
	if err != nil {
		return nil, err
	}
	affected, err := applet.Execute(statement.SQL, statement.Parameters...)
	return answered(map[string]uint64{"affected": affected}, err)
}

func batch(payload struct{ Statements []statement }) (any, error) {
	var statements []applet.Statement
	for _, written := range payload.Statements {
		statement, err := written.read()
		if err != nil {
			return nil, err
		}
		statements = append(statements, statement)
	}
	given, err := applet.Batch(statements...)
	if err != nil {
		return answered(nil, err)
	}
	results := []any{}
	for _, rows := range given {
		read, err := resultOf(rows)
		if err != nil {
			return nil, err
		}
		results = append(results, read)
	}
	return map[string]any{"results": results}, nil
}

func transaction(payload struct {
	Statements []statement
	End        string
}) (any, error) {
	open, err := applet.Begin()
	if err != nil {
		return answered(nil, err)
	}
	defer open.Close()
	results := []any{}
	for _, written := range payload.Statements {
		statement, err := written.read()
		if err != nil {
			return nil, err
		}
		read, err := packed(open.Query(statement.SQL, statement.Parameters...))
		if err != nil {
			return nil, err
		}
		results = append(results, read)
	}
	var end any
	switch payload.End {
	case "commit":
		end, err = answered(nil, open.Commit())
	case "rollback":
		end, err = answered(nil, open.Rollback())
	}
	return map[string]any{"results": results, "end": end}, err
}

type permission struct {
	Table         string   `json:"table"`
	Operations    []string `json:"operations"`
	SoftDeletable bool     `json:"soft_deletable"`
}

func context(any) (any, error) {
	invocation := applet.Context()
	permissions := []permission{}
	for _, each := range invocation.Permissions {
		permissions = append(permissions, permission(each))
	}
	return map[string]any{
		"request_id":     invocation.RequestID,
		"tenant_id":      invocation.TenantID,
		"workspace_id":   invocation.WorkspaceID,
		"user_id":        invocation.UserID,
		"locale":         invocation.Locale,
		"applet_id":      invocation.AppletID,
		"applet_version": invocation.AppletVersion,
		"permissions":    permissions,
	}, nil
}

func logLine(payload struct{ Level, Message string }) (any, error) {
	switch payload.Level {
	case "debug":
		applet.Debug(payload.Message)
	case "info":
		applet.Info(payload.Message)
	case "warn":
		applet.Warn(payload.Message)
	default:
		applet.LogError(payload.Message)
	}
	return nil, nil
}

func fail(payload struct{ Code, Message string }) (any, error) {
	return nil, &applet.HookError{Code: payload.Code, Message: payload.Message}
}

func echo(payload []byte) ([]byte, error) {
	return payload, nil
}

func crash(any) (any, error) {
	panic("crash")
}

func spin(any) (any, error) {
	for {
	}
}

func hoard(any) (any, error) {
	// There is nothing to collect, and looking for it would use up the CPU first.
	debug.SetGCPercent(-1)
	var kept [][]byte
	for {
		kept = append(kept, make([]byte, 1<<20))
	}
}

func line(text string) func() error {
	return func() error {
		applet.Info(text)
		return nil
	}
}

func init() {
	applet.Register(applet.Hooks{
		Install:   line("installed"),
		Uninstall: line("uninstalled"),
		Enable:    line("enabled"),
		Disable:   line("disabled"),
		Upgrade: func(from string) error {
			applet.Info("upgraded from " + from)
			return nil
		},
		Named: map[string]applet.NamedHook{
			"echo":        echo,
			"query":       applet.Hook(runQuery),
			"execute":     applet.Hook(execute),
			"batch":       applet.Hook(batch),
			"transaction": applet.Hook(transaction),
			"context":     applet.Hook(context),
			"log":         applet.Hook(logLine),
			"fail":        applet.Hook(fail),
			"crash":       applet.Hook(crash),
			"spin":        applet.Hook(spin),
			"hoard":       applet.Hook(hoard),
		},
	})
}

func main() {}
