-- For wrk: counts answers other than 200, and sends each token of the file TOKENS once at most.

local threads = {}

function setup(thread)
    table.insert(threads, thread)
end

function init()
    others = 0
    tokens = nil
    if os.getenv("TOKENS") then
        tokens, sent = {}, 0
        for line in io.lines(os.getenv("TOKENS")) do
            table.insert(tokens, line)
        end
    end
end

function request()
    if not tokens then
        return wrk.format()
    end
    sent = sent + 1
    if sent > #tokens then
        error("there are too few tokens")
    end
    return wrk.format(nil, nil, { authorization = "Bearer " .. tokens[sent] })
end

function response(status)
    if status ~= 200 then
        others = others + 1
    end
end

function done(summary)
    local others = 0
    for _, thread in ipairs(threads) do
        others = others + thread:get("others")
    end
    local errors = summary.errors
    io.write(string.format("RESULT %d %d %d\n", summary.requests, others,
        errors.connect + errors.read + errors.write + errors.timeout))
end
