// Package applet is for writing applets in Go.
//
// An applet is a WebAssembly component whose hooks the host calls. It reaches nothing but the database, a log and a
// clock, and of the database only the rows of the tenant that it is called for, in the tables that its manifest asks
// for and an admin granted.
//
//	package main
//
//	import "applet-sdk"
//
//	func count(struct{}) (map[string]int64, error) {
//		rows, err := applet.Query("SELECT count(*) FROM clients")
//		if err != nil {
//			return nil, err
//		}
//		var clients int64
//		if err := rows.First(&clients); err != nil {
//			return nil, err
//		}
//		return map[string]int64{"clients": clients}, nil
//	}
//
//	func init() {
//		applet.Register(applet.Hooks{Named: map[string]applet.NamedHook{"count": applet.Hook(count)}})
//	}
//
//	func main() {}
package applet
