-- One POST: the documented 200 with a widget of its own, or what the run's faults or weather make of it.
-- Both hang on the job's bot id and the attempt's number, and weathers on the time: the same for all contenders.

local answers = require "answers"
local attempts = ngx.shared.attempts
local began, second, nth -- of the batch's first POST; the one that runs since then, and its POSTs

-- Scattered failures: this many of a thousand attempts.
local function scattered(faults)
    return function(at)
        if faults > 0 and ngx.crc32_short(at.bot .. ":" .. at.attempt) % 1000 < faults then
            return answers.failure
        end
    end
end

local function under(rule, over)
    return function(at)
        at.row, at.rows = tonumber(at.bot) - over.first_bot, over.rows
        if at.row < 0 then -- a row of the warm-up
            return nil
        end
        ngx.update_time()
        began = began or ngx.now()
        at.seconds = ngx.now() - began
        if math.floor(at.seconds) ~= second then
            second, nth = math.floor(at.seconds), 0
        end
        nth = nth + 1
        at.nth = nth
        return rule(at)
    end
end

local fate_of, usual_latency

function set_up(latency, faults, over)
    usual_latency = latency
    fate_of = over.weather == "" and scattered(faults) or under(require("weather")[over.weather], over)
end

function answer()
    ngx.req.read_body()
    local body = ngx.req.get_body_data() or ""
    local bot = string.match(body, '"bot"%s*:%s*{%s*"id"%s*:%s*"(%d+)"')
    if ngx.req.get_method() ~= "POST" or not bot then
        ngx.exit(422)
    end
    ngx.var.mark = bot
    local attempt = attempts:incr(bot, 1, 0)
    local fate = fate_of { bot = bot, attempt = attempt } or {}
    local latency = fate.latency or usual_latency
    if latency > 0 then
        ngx.sleep(latency)
    end
    local text = fate.body or answers.widget(bot, attempt)
    ngx.status = fate.status or 200
    if fate.type then
        ngx.header["Content-Type"] = fate.type
    end
    ngx.header["Retry-After"] = fate.retry_after
    ngx.header["Content-Length"] = #text
    ngx.print(text)
end
