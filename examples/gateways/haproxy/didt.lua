-- Asks `didt serve` whether a request may pass, by HAProxy's own HTTP client (2.5 and newer).
--
--   lua-load-per-thread /etc/haproxy/didt.lua
--   http-request lua.didt http://127.0.0.1:9480
--
-- Leaves the verdict in txn.didt: `allow`, or the status to deny with. Whatever goes wrong
-- here, an error of Lua included, leaves it at something else than `allow`; the last rule in
-- haproxy.cfg denies that.

-- Milliseconds that a question may take. HAProxy itself asks again after a failure, three times.
local TIMEOUT = 2000

-- The most header fields that a request may have. HAProxy's client (2.6) has room for 101 in a
-- question (tune.http.maxhdr), its own and ours among them. One more, and HAProxy crashes.
local MOST_FIELDS = 80

-- What didt says about the caller. All six are on every 200, empty if nobody is signed in.
local IDENTITY = {
    "x-auth-issuer", "x-auth-address", "x-auth-email", "x-auth-session", "x-auth-expires",
    "x-auth-assertion",
}

-- What a denial says to programs and to pages of other origins.
local OF_DENIALS = {
    origin = "access-control-allow-origin", exposed = "access-control-expose-headers",
    vary = "vary", reason = "x-auth-reason",
}

-- The only words that a client's Connection may have. HTTP lets it name any header, which is
-- then removed on the way: a credential before didt, or didt's answer before the application.
local CONNECTION = {
    ["close"] = true, ["keep-alive"] = true, ["upgrade"] = true, ["te"] = true,
    ["http2-settings"] = true,
}

-- Of this connection, of the body that stays here, or not the client's to say.
local NOT_PASSED_ON = {
    ["accept-encoding"] = true, ["connection"] = true, ["content-length"] = true,
    ["expect"] = true, ["http2-settings"] = true, ["keep-alive"] = true,
    ["proxy-connection"] = true, ["te"] = true, ["trailer"] = true,
    ["transfer-encoding"] = true, ["upgrade"] = true, ["x-original-host"] = true,
    ["x-original-method"] = true, ["x-original-scheme"] = true, ["x-original-upgrade"] = true,
    ["x-original-uri"] = true, ["x-original-url"] = true, ["x-forwarded-host"] = true,
    ["x-forwarded-method"] = true, ["x-forwarded-proto"] = true, ["x-forwarded-uri"] = true,
}

-- HAProxy counts a header's values from 0.
local function one(values)
    if values and values[0] and not values[1] then
        return values[0]
    end
end

local function connection_is_harmless(values)
    for _, value in pairs(values or {}) do
        for word in value:gmatch("[^,%s]+") do
            if not CONNECTION[word:lower()] then
                return false
            end
        end
    end
    return true
end

-- A name or an address, and perhaps a port: nothing that could end the host and begin a path.
local function is_host(host)
    local name = host:match("^(.-):%d+$") or host
    return #host <= 259 and (name:match("^[%w%.%-_]+$") or name:match("^%[[%x:%.]+%]$")) ~= nil
end

-- Path and query as the client sent them; nil if the request names two hosts.
local function original_uri(txn, host)
    local target = txn.f:url()
    if target:sub(1, 1) == "/" then
        return target
    end
    -- HTTP/2, or a client that takes this for a forward proxy: the host is said twice.
    local authority, rest = target:match("^%a+://([^/?#]+)(/.*)$")
    if authority and authority:lower() == host:lower() then
        return rest
    end
end

local function question(txn, headers)
    local host = one(headers["host"])
    local uri = host and is_host(host) and original_uri(txn, host)
    if not uri or not connection_is_harmless(headers["connection"]) then
        return nil
    end
    -- Everything else that the client sent, look-alikes and duplicates included: didt refuses
    -- such requests, and can only refuse what it sees.
    local asked, fields = {}, 0
    for name, values in pairs(headers) do
        for _ in pairs(values) do
            fields = fields + 1
        end
        if not NOT_PASSED_ON[name] then
            asked[name] = values
        end
    end
    if fields > MOST_FIELDS then
        return nil
    end
    asked["x-original-method"] = { txn.f:method() }
    -- In parts: glued to one URL, a host with a slash in it would make another path.
    asked["x-original-scheme"] = { txn.f:ssl_fc() == 1 and "https" or "http" }
    asked["x-original-host"] = { host }
    asked["x-original-uri"] = { uri }
    asked["x-original-upgrade"] = headers["upgrade"]
    return asked
end

local function is_identity_or_resembles(name)
    return name:gsub("[^%w]", "-"):sub(1, 7) == "x-auth-"
end

-- The session cookie is nobody's business behind this proxy; other cookies stay as they are.
local function remove_session_cookie(txn, values)
    txn.http:req_del_header("cookie")
    for number = 0, #values do
        local others = {}
        for cookie in (values[number] or ""):gmatch("[^;]+") do
            if not cookie:match("^%s*__Host%-didt%s*=") then
                others[#others + 1] = cookie:match("^%s*(.-)%s*$")
            end
        end
        if #others > 0 then
            txn.http:req_add_header("cookie", table.concat(others, "; "))
        end
    end
end

local function allow(txn, headers, answer)
    local identity = {}
    for _, name in ipairs(IDENTITY) do
        identity[name] = one(answer.headers[name])
        if not identity[name] then
            -- Not what didt answers: the client's own value must not take its place.
            return
        end
    end
    for name, _ in pairs(headers) do
        if is_identity_or_resembles(name) then
            txn.http:req_del_header(name)
        end
    end
    for name, value in pairs(identity) do
        txn.http:req_set_header(name, value)
    end
    -- Credentials of ours stay here. The application's own come back from didt, where the rule is
    -- public or says foreign_credentials = "pass".
    txn.http:req_del_header("authorization")
    local own = one(answer.headers["authorization"])
    if own and own ~= "" then
        txn.http:req_set_header("authorization", own)
    end
    if headers["cookie"] then
        remove_session_cookie(txn, headers["cookie"])
    end
    txn:set_var("txn.didt", "allow")
end

core.register_action("didt", { "http-req" }, function(txn, didt)
    txn:set_var("txn.didt", "503")
    local headers = txn.http:req_get_headers()
    local asked = question(txn, headers)
    if not asked then
        txn:set_var("txn.didt", "400")
        return
    end
    local answer = core.httpclient():get {
        url = didt .. "/check/haproxy", headers = asked, timeout = TIMEOUT,
    }
    if not answer or not answer.headers then
        return
    end
    local cookie = one(answer.headers["set-cookie"])
    if cookie then
        txn:set_var("txn.didt_cookie", cookie)
    end
    -- On denials, for pages of trusted_origins; what passes is answered by the application.
    for variable, name in pairs(OF_DENIALS) do
        local value = one(answer.headers[name])
        if value then
            txn:set_var("txn.didt_" .. variable, value)
        end
    end
    if answer.status == 200 then
        allow(txn, headers, answer)
    elseif answer.status == 400 or answer.status == 403 then
        txn:set_var("txn.didt", tostring(answer.status))
    elseif answer.status == 302 and one(answer.headers["location"]) then
        -- A person who opens a page, if didt has one to sign in on.
        txn:set_var("txn.didt_location", one(answer.headers["location"]))
        txn:set_var("txn.didt", "302")
    elseif answer.status == 401 then
        txn:set_var("txn.didt_challenge", one(answer.headers["www-authenticate"]) or "Bearer")
        txn:set_var("txn.didt", "401")
    end
end, 1)
