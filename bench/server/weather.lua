-- The weathers: what becomes of a POST, each a rule over what the server knows of it:
--   row      of the batch, from 0, and `rows`, how many there are
--   attempt  the how manieth POST of this row, from 1
--   seconds  since the batch's first POST
--   nth      the how manieth POST within that second, from 1
-- A rule returns nothing for a widget, or another fate: its status, body, Retry-After (seconds), and how long
-- it takes if not the usual latency. Rules keep nothing but a quota's bucket, and read no clock.

local answers = require "answers"

local function times(count, fate, chosen)
    return function(at)
        if at.attempt <= count and chosen(at) then
            return fate
        end
    end
end

-- Scattered rows. With this salt the shares of 1,500 rows are what they are called, to a row.
local function share(percent)
    return function(at) return ngx.crc32_short("9571:" .. at.row) % 1000 < 10 * percent end
end

local function first(count)
    return function(at) return at.row < count end
end

local function last(count)
    return function(at) return at.row >= at.rows - count end
end

local function between(from, to, fate)
    return function(at)
        if at.seconds >= from and at.seconds < to then
            return fate
        end
    end
end

-- A bucket that fills with `rate` a second and holds a second's worth; beyond that a refusal at once.
local function bucket(rate)
    local left, filled = rate, 0
    return function(at)
        left = math.min(rate, left + rate * (at.seconds - filled))
        filled = at.seconds
        if left < 1 then
            return answers.refusal(math.ceil((1 - left) / rate), 0)
        end
        left = left - 1
    end
end

-- So many in each second; a refusal beyond, which takes as long as any answer.
local function window(rate)
    return function(at)
        if at.nth > rate then
            return answers.refusal(1)
        end
    end
end

local always = math.huge

return {
    ["clear"] = function() end,
    ["1-percent-429-once"] = times(1, answers.refusal(1), share(1)),
    ["5-percent-503-once"] = times(1, answers.gateway, share(5)),
    ["10-percent-500-once"] = times(1, answers.failure, share(10)),
    ["30-percent-500-once"] = times(1, answers.failure, share(30)),
    ["3-percent-always-500"] = times(always, answers.failure, share(3)),
    ["last-60-twice-500"] = times(2, answers.failure, last(60)),
    ["first-60-twice-500"] = times(2, answers.failure, first(60)),
    ["first-60-always-500"] = times(always, answers.failure, first(60)),
    ["5-rows-always-500"] = times(always, answers.failure, first(5)),
    ["2-percent-take-5s"] = times(1, { latency = 5 }, share(2)),
    ["quota-bucket"] = bucket(50),
    ["quota-window"] = window(50),
    ["outage"] = between(2, 12, answers.gateway),
    ["outage-in-json"] = between(2, 12, answers.unavailable),
    ["short-outage"] = between(1, 4, answers.gateway),
    ["refused"] = function() end, -- what happens there happens to connections
}
