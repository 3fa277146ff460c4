-- One POST: the documented 200 with a widget of its own, or what the run's faults or weather make of it.
-- Both hang on the job's bot id and the attempt's number, and weathers on the time: the same for all contenders.

local answers = require "answers"
local attempts = ngx.shared.attempts
local began, second, nth -- of the batch's first POST; the one that runs since then, and its POSTs

local fate_of, usual_latency, on_first_post

-- Scattered failures: this many of a thousand attempts.
local function scattered(faults)
    return function(at)
        if faults > 0 and ngx.crc32_short(at.bot .. ":" .. at.attempt) % 1000 < faults then
            return answers.failure
        end
    end
end

-- A weather's rule, told what it wants to know. The warm-up's rows are spared.
local function under(rule, over)
    return function(at)
        at.row, at.rows = tonumber(at.bot) - over.first_bot, over.rows
        if at.row < 0 then
            return nil
        end
        if not began then
            began = at.now
            on_first_post()
        end
        at.seconds = at.now - began
        if math.floor(at.seconds) ~= second then
            second, nth = math.floor(at.seconds), 0
        end
        nth = nth + 1
        at.nth = nth
        return rule(at)
    end
end

-- The server's own end, as a restarted gateway's: no new connections, what is in hand is answered.
local function leaving(after)
    return function()
        if after > 0 then
            ngx.timer.at(after, function()
                local ffi = require "ffi"
                ffi.cdef "int getppid(void); int kill(int pid, int signal);"
                ffi.C.kill(ffi.C.getppid(), 3) -- SIGQUIT, to the master
            end)
        end
    end
end

function set_up(latency, faults, over)
    usual_latency, on_first_post = latency, leaving(over.leaves_after)
    fate_of = over.weather == "" and scattered(faults) or under(require("weather")[over.weather], over)
end

local function meet(bot, now)
    local attempt = attempts:incr(bot, 1, 0)
    local fate = fate_of { bot = bot, attempt = attempt, now = now } or {}
    return fate, fate.body or answers.widget(bot, attempt), fate.latency or usual_latency
end

local function say(fate, text)
    ngx.status = fate.status or 200
    if fate.type then
        ngx.header["Content-Type"] = fate.type
    end
    ngx.header["Retry-After"] = fate.retry_after
    ngx.header["Content-Length"] = #text
    ngx.print(text)
end

function answer()
    ngx.req.read_body()
    local body = ngx.req.get_body_data() or ""
    local bot = string.match(body, '"bot"%s*:%s*{%s*"id"%s*:%s*"(%d+)"')
    if ngx.req.get_method() ~= "POST" or not bot then
        ngx.exit(422)
    end
    ngx.var.mark = bot
    local fate, text, latency = meet(bot, ngx.now())
    if latency > 0 then
        ngx.sleep(latency)
    end
    say(fate, text)
end

-- For tests: the answer to a bot's next POST as if it came at that time, in no time.
function foretell()
    local fate, text, latency = meet(ngx.var.arg_bot, tonumber(ngx.var.arg_now))
    ngx.header["X-Latency"] = latency
    say(fate, text)
end
