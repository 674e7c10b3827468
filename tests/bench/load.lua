-- One request of a random tenant. Arguments: kind (applet | native), route, file with one
-- "tenant workspace token" a line.
local requests = {}
local count = 0

function init(arguments)
    local kind, route, file = arguments[1], arguments[2], arguments[3]
    for line in io.lines(file) do
        local tenant, workspace, token = line:match("(%S+) (%S+) (%S+)")
        local path, headers
        if kind == "applet" then
            path = "/api/v2/workspaces/" .. workspace .. "/applets/bench/hooks/" .. route
            headers = { ["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json" }
        else
            path = route == "hello" and "/hello" or "/" .. tenant .. "/" .. route
            headers = { ["Content-Type"] = "application/json" }
        end
        count = count + 1
        requests[count] = wrk.format("POST", path, headers, route == "client1" and '{"id":500}' or "null")
    end
    math.randomseed(os.time())
end

function request()
    return requests[math.random(count)]
end
