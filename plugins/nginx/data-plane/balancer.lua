-- Chooses an endpoint for each request.
--
-- Which backends a route has is written in the configuration; where they are is read from `backends/<name>`, one small
-- file for each, which the provider replaces when endpoints change. nginx is not told: each worker looks at the first
-- line of a file at most every 20 milliseconds, and at the rest when that line has changed.
--
--   v1 <digest of all else> <protocol> <affinity> <open> <total>
--   <address>:<port>       the first <open> lines take new clients, the others only those that were there before
--   ...

local balancer = require "ngx.balancer"

local module = {}

local DIRECTORY = ngx.config.prefix() .. "backends/"
local SECONDS_BETWEEN_LOOKS = 0.02
local UPSTREAMS = { http = "http://http_endpoints", https = "https://https_endpoints" }
-- Places on the ring of client addresses: enough for an even spread, few enough to be sorted in milliseconds.
local RING_PLACES = 4096

local backends = {}
local routes = {}

-- Workers must not all begin with the first endpoint.
function module.seed()
    math.randomseed(ngx.worker.pid() + ngx.now() * 1000)
end

local function parse(name, header, lines)
    local protocol, affinity, open, total = header:match("^v1 %x+ (%S+) (%S+) (%d+) (%d+)$")
    if not protocol then
        return nil
    end
    local endpoints = {}
    for line in lines:gmatch("[^\n]+") do
        local host, port = line:match("^(.+):(%d+)$")
        if not host then
            return nil
        end
        endpoints[#endpoints + 1] = { name = line, host = host, port = tonumber(port) }
    end
    if #endpoints ~= tonumber(total) then
        return nil
    end
    return { name = name, header = header, protocol = protocol, affinity = affinity, open = tonumber(open),
        endpoints = endpoints }
end

-- The backend as it is now. A file that is gone leaves what was known: only workers of an older configuration, which
-- finish their connections, still ask for it.
local function load_backend(name)
    local now = ngx.now()
    local known = backends[name]
    if known and now >= known.looked and now - known.looked < SECONDS_BETWEEN_LOOKS then
        return known
    end
    local file = io.open(DIRECTORY .. name, "rb")
    local header = file and file:read("*l")
    local backend = known
    if header and not (known and known.header == header) then
        local parsed = parse(name, header, file:read("*a"))
        if parsed then
            -- Whoever was next stays next, as far as there are that many.
            parsed.turn = known and known.turn or math.random(math.max(parsed.open, 1))
            backend = parsed
            backends[name] = parsed
        else
            ngx.log(ngx.ERR, "backend file ", name, " is not well-formed")
        end
    end
    if file then
        file:close()
    end
    if backend then
        backend.looked = now
    end
    return backend
end

-- A route's backends and their weights: `<name>=<weight> <name>=<weight>`.
local function parse_route(text)
    local route = { total = 0 }
    for name, weight in text:gmatch("(%x+)=(%d+)") do
        route.total = route.total + tonumber(weight)
        route[#route + 1] = { name = name, up_to = route.total }
    end
    routes[text] = route
    return route
end

local function pick_backend(route)
    local place = math.random() * route.total
    for _, share in ipairs(route) do
        if place < share.up_to then
            return load_backend(share.name)
        end
    end
end

local function place_of(text)
    local a, b, c, d = ngx.md5_bin(text):byte(1, 4)
    return ((a * 256 + b) * 256 + c) * 256 + d
end

-- Consistent hashing: an endpoint that comes or goes moves only its own share of the clients.
local function ring_of(backend)
    if backend.ring then
        return backend.ring
    end
    local ring = {}
    local copies = math.max(1, math.floor(RING_PLACES / backend.open))
    for index = 1, backend.open do
        for copy = 1, math.min(copies, 128) do
            ring[#ring + 1] = { place = place_of(backend.endpoints[index].name .. " " .. copy), index = index }
        end
    end
    table.sort(ring, function(left, right)
        if left.place ~= right.place then
            return left.place < right.place
        end
        return left.index < right.index
    end)
    backend.ring = ring
    return ring
end

local function by_client(backend)
    local ring = ring_of(backend)
    local place = place_of(ngx.var.remote_addr)
    local low, high = 1, #ring + 1
    while low < high do
        local middle = math.floor((low + high) / 2)
        if ring[middle].place < place then
            low = middle + 1
        else
            high = middle
        end
    end
    return (ring[low] or ring[1]).index
end

local function by_turn(backend)
    backend.turn = backend.turn % backend.open + 1
    return backend.turn
end

-- What a cookie calls an endpoint: tells nothing of its address, and means nothing to another backend.
local function token_of(backend, endpoint)
    return ngx.md5(backend.name .. " " .. endpoint.name)
end

local function by_token(backend, token)
    if not backend.tokens then
        backend.tokens = {}
        for index, endpoint in ipairs(backend.endpoints) do
            backend.tokens[token_of(backend, endpoint)] = index
        end
    end
    return backend.tokens[token]
end

-- The value of a cookie of this name, and the other cookies as they were sent.
local function take_cookie(name)
    local value
    local others = {}
    for pair in (ngx.var.http_cookie or ""):gmatch("[^;]+") do
        local key, content = pair:match("^%s*([^=]-)%s*=%s*(.-)%s*$")
        if key == name then
            value = value or content
        else
            others[#others + 1] = pair:match("^%s*(.-)%s*$")
        end
    end
    return value, table.concat(others, "; ")
end

local function by_cookie(route, forward)
    local token, others = take_cookie(forward.cookie)
    if not token then
        return
    end
    if forward.options:find("indirect", 1, true) then
        if others == "" then
            ngx.req.clear_header("Cookie")
        else
            ngx.req.set_header("Cookie", others)
        end
    end
    for _, share in ipairs(route) do
        local backend = load_backend(share.name)
        local index = backend and by_token(backend, token)
        if index then
            forward.token = token
            return backend, index
        end
    end
end

-- Access phase: decides on backend and first endpoint.
function module.choose()
    local text = ngx.var.backends
    if text == "" then
        return
    end
    local route = routes[text] or parse_route(text)
    local forward = { tries = 0, cookie = ngx.var.affinity_cookie, options = ngx.var.affinity_options }
    if forward.cookie ~= "" then
        forward.backend, forward.index = by_cookie(route, forward)
    end
    forward.backend = forward.backend or pick_backend(route)
    local backend = forward.backend
    local upstream = backend and UPSTREAMS[backend.protocol]
    if not upstream or backend.open == 0 then
        return ngx.exit(ngx.HTTP_SERVICE_UNAVAILABLE)
    end
    -- A route to one backend has its protocol from the configuration, which is a moment behind when that changes.
    if #route == 1 and ngx.var.spoken ~= backend.protocol then
        return ngx.exit(ngx.HTTP_SERVICE_UNAVAILABLE)
    end
    if not forward.index then
        forward.index = backend.affinity == "client-ip" and by_client(backend) or by_turn(backend)
    end
    if #route > 1 then
        ngx.var.upstream = upstream
    end
    ngx.ctx.forward = forward
end

-- Once for each try: the endpoint that was chosen, then others.
function module.balance()
    local forward = ngx.ctx.forward
    if forward.tries == 0 then
        if forward.backend.open > 1 then
            balancer.set_more_tries(forward.backend.open - 1)
        end
    else
        local failed = forward.endpoint.name
        local backend = load_backend(forward.backend.name)
        if backend and backend.open > 0 then
            forward.backend = backend
        end
        forward.index = by_turn(forward.backend)
        if forward.backend.endpoints[forward.index].name == failed then
            forward.index = by_turn(forward.backend)
        end
    end
    forward.tries = forward.tries + 1
    forward.endpoint = forward.backend.endpoints[forward.index]
    local ok, reason = balancer.set_current_peer(forward.endpoint.host, forward.endpoint.port)
    if not ok then
        ngx.log(ngx.ERR, "endpoint ", forward.endpoint.name, ": ", reason)
        return ngx.exit(ngx.HTTP_BAD_GATEWAY)
    end
end

-- Header filter: keeps the client where it is now.
function module.stick()
    local forward = ngx.ctx.forward
    if not forward or forward.cookie == "" or not forward.endpoint then
        return
    end
    local token = token_of(forward.backend, forward.endpoint)
    if token == forward.token then
        return
    end
    if forward.options:find("post-only", 1, true) and ngx.req.get_method() ~= "POST" then
        return
    end
    local cookies = ngx.header["Set-Cookie"]
    if type(cookies) ~= "table" then
        cookies = { cookies }
    end
    cookies[#cookies + 1] = forward.cookie .. "=" .. token .. ngx.var.affinity_attributes
    ngx.header["Set-Cookie"] = cookies
    if forward.options:find("no-cache", 1, true) then
        ngx.header["Cache-Control"] = "private, no-cache"
    end
end

return module
