-- Answers that need no endpoint. They are given in the content phase, so that the rules about client addresses hold for
-- them too.

local response = {}

-- Percent-encodes what may not stand in a path. `$uri` is decoded and may hold anything, line ends included.
local function encode(path)
    return (path:gsub("[^%w%-._~!$&'()*+,;=:@/]", function(byte)
        return string.format("%%%02X", byte:byte())
    end))
end

-- The path with another prefix, and the query as it was sent.
local function with_prefix(prefix, length)
    local rest = encode(ngx.var.uri:sub(length + 1))
    local path = prefix .. rest
    if path == "" then
        path = "/"
    end
    return path .. ngx.var.is_args .. (ngx.var.args or "")
end

function response.redirect()
    local location = ngx.var.redirect_to
    local length = tonumber(ngx.var.redirect_prefix_length)
    if length then
        location = location .. with_prefix(ngx.var.redirect_prefix, length)
    end
    return ngx.redirect(location, tonumber(ngx.var.redirect_status))
end

function response.status()
    return ngx.exit(tonumber(ngx.var.response_status))
end

return response
