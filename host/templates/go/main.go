// Notes of a tenant. Every statement sees the rows of the tenant that the hook is called for, and no others.
package main

import (
	"strings"

	applet "applet-sdk"
)

// Note is a note as it is kept and answered.
type Note struct {
	ID   int64  `json:"id"`
	Body string `json:"body"`
}

// NewNote is a note to keep.
type NewNote struct {
	Body string `json:"body"`
}

// add keeps a note, and answers with it.
func add(note NewNote) (Note, error) {
	if strings.TrimSpace(note.Body) == "" {
		return Note{}, &applet.HookError{Code: "empty-note", Message: "a note needs a body"}
	}
	rows, err := applet.Query("INSERT INTO notes (body) VALUES ($1) RETURNING id, body", note.Body)
	if err != nil {
		return Note{}, err
	}
	var kept Note
	err = rows.First(&kept.ID, &kept.Body)
	return kept, err
}

// list answers with the newest notes.
func list(_ any) ([]Note, error) {
	rows, err := applet.Query("SELECT id, body FROM notes ORDER BY id DESC LIMIT 100")
	if err != nil {
		return nil, err
	}
	notes := []Note{}
	for row, err := range rows.All() {
		if err != nil {
			return nil, err
		}
		var note Note
		if err := row.Scan(&note.ID, &note.Body); err != nil {
			return nil, err
		}
		notes = append(notes, note)
	}
	return notes, nil
}

func init() {
	applet.Register(applet.Hooks{Named: map[string]applet.NamedHook{
		"add":  applet.Hook(add),
		"list": applet.Hook(list),
	}})
}

func main() {}
