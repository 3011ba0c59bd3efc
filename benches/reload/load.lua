-- For wrk, with as many connections as threads: asks `didt serve` what a gateway would, at a steady rate
-- (RATE, of all threads together, THREADS), and counts answers that no reading of the policy gives.

local ffi = require("ffi")
ffi.cdef [[
    typedef struct { long seconds; long nanoseconds; } timespec_of_load;
    int clock_gettime(int clock, timespec_of_load *time);
]]
local time = ffi.new("timespec_of_load")
local function now()
    ffi.C.clock_gettime(1, time)
    return tonumber(time.seconds) + tonumber(time.nanoseconds) / 1e9
end

-- Path, whether with the cookie, and which answers are right. What is "moving" is public in one policy and
-- guarded in the other.
local QUESTIONS = {
    { "/always", false, { [200] = true } },
    { "/guarded", false, { [401] = true } },
    { "/guarded", true, { [200] = true } },
    { "/moving", false, { [200] = true, [401] = true } },
    { "/moving", true, { [200] = true } },
}

local threads = {}

function setup(thread)
    table.insert(threads, thread)
end

function init()
    rate = tonumber(os.getenv("RATE")) / tonumber(os.getenv("THREADS"))
    sent, wrong, server_errors, closed = 0, 0, 0, 0
    began = nil
    requests = {}
    for number, question in ipairs(QUESTIONS) do
        local headers = {
            ["X-Forwarded-Method"] = "GET",
            ["X-Forwarded-Proto"] = "https",
            ["X-Forwarded-Host"] = "app.example.com",
            ["X-Forwarded-Uri"] = question[1],
        }
        if question[2] then
            headers["Cookie"] = os.getenv("COOKIE")
        end
        requests[number] = wrk.format("GET", "/check/caddy", headers)
    end
end

-- Milliseconds until the next request is due.
function delay()
    began = began or now()
    local early = began + sent / rate - now()
    return early > 0 and math.floor(early * 1000 + 0.5) or 0
end

function request()
    sent = sent + 1
    return requests[sent % #requests + 1]
end

-- One connection a thread, so this answers the latest request.
function response(status, headers)
    if not QUESTIONS[sent % #requests + 1][3][status] then
        wrong = wrong + 1
    end
    if status >= 500 then
        server_errors = server_errors + 1
    end
    if headers["Connection"] or headers["connection"] then
        closed = closed + 1
    end
end

function done(summary, latency)
    local counts = {}
    for _, name in ipairs({ "wrong", "server_errors", "closed" }) do
        counts[name] = 0
        for _, thread in ipairs(threads) do
            counts[name] = counts[name] + thread:get(name)
        end
    end
    local errors = summary.errors
    io.write(string.format("RESULT %d %d %d %d %d %d %d %d %d\n", summary.requests, summary.duration,
        counts.wrong, counts.server_errors, counts.closed,
        errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50), latency:percentile(99), latency.max))
end
