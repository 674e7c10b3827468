module {{id}}

go 1.24

require applet-sdk v0.0.0

replace applet-sdk => {{sdk}}
