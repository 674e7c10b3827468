package applet

import "runtime"

// Invocation says who is calling, for whom, and what was granted.
type Invocation struct {
	RequestID, TenantID, WorkspaceID string
	// UserID is nil when the platform itself calls.
	UserID *string
	// Locale is the user's language, a BCP 47 tag.
	Locale                  string
	AppletID, AppletVersion string
	Permissions             []Permission
}

// Permission is what was granted on one table.
type Permission struct {
	Table string
	// Operations are read, insert, update, soft-delete, hard-delete.
	Operations []string
	// SoftDeletable says whether its rows can be soft deleted.
	SoftDeletable bool
}

const (
	invocationSize = 68
	permissionSize = 20
	textSize       = 8
)

// Context is the invocation that this instance serves.
func Context() Invocation {
	result := newBlock(invocationSize)
	hostContext(result.pointer())
	defer emptyArena()
	given := view(result.bytes(invocationSize))
	invocation := Invocation{
		RequestID:     given.text(0),
		TenantID:      given.text(8),
		WorkspaceID:   given.text(16),
		UserID:        given.optionalText(24),
		Locale:        given.text(36),
		AppletID:      given.text(44),
		AppletVersion: given.text(52),
	}
	given.list(60, permissionSize, func(each view) {
		permission := Permission{Table: each.text(0), SoftDeletable: each.boolean(16)}
		each.list(8, textSize, func(operation view) {
			permission.Operations = append(permission.Operations, operation.text(0))
		})
		invocation.Permissions = append(invocation.Permissions, permission)
	})
	return invocation
}

// Debug writes a line for the developer. At most 16 KiB of lines are kept per invocation.
func Debug(line string) { log(0, line) }

// Info writes a line about what happens normally.
func Info(line string) { log(1, line) }

// Warn writes a line that is worth a look.
func Warn(line string) { log(2, line) }

// LogError writes a line about something that failed.
func LogError(line string) { log(3, line) }

func log(level uint32, line string) {
	written := &writer{}
	text, length := written.text([]byte(line))
	hostLog(level, text, length)
	runtime.KeepAlive(written)
}
