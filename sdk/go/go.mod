module applet-sdk

go 1.24
