-- For wrk: asks with one cookie of the file COOKIES after the other. wrk counts answers of 400 and more by itself;
-- reading the others here would cost it more than the servers take.

local requests = {}

function init()
    for cookie in io.lines(os.getenv("COOKIES")) do
        wrk.headers["Cookie"] = cookie
        table.insert(requests, wrk.format("GET"))
    end
    sent = 0
end

function request()
    sent = sent + 1
    return requests[sent % #requests + 1]
end

function done(summary)
    local errors = summary.errors
    io.write(string.format("RESULT %d %d %d\n", summary.requests, summary.duration,
        errors.connect + errors.read + errors.write + errors.timeout + errors.status))
end
