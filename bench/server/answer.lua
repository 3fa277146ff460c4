-- The documented 200 with a widget of its own, or a documented 500.
-- Which attempts fail hangs on the job's bot id and the attempt's number alone: the same for all contenders.

local head = '{"message":["Widget was created successfully!"],"statusMessage":"success","status":1,"data":{'
    .. '"Bot":{"id":"%s"},"Widget":{"properties":{"type":"normal"},"theme":{"position":"br","status":true,'
    .. '"font":{"googlefont":true,"name":"Inter"},"vars":{"color":{"primary":"#00677F","secondary":"#00A2CF",'
    .. '"userText":"#FFFFFF","errorTxt":"#910018","errorBg":"#FFE3E3"}}},"startButton":{"position":"br",'
    .. '"borderPercentage":"50%%"},"id":"w-%s-%d"},"ApiKey":{"id":%d,"state":1,"key":"key-%s-%s",'
    .. '"widgetId":"w-%s-%d","createdAt":"2026-01-01T00:00:00.000Z","updatedAt":"2026-01-01T00:00:00.000Z"}}}'

local failure = '{"message":["Something went wrong, try again later"],"statusMessage":"failed","error":{'
    .. '"code":"E0500","key":"internal_server_error","description":"Something went wrong, try again later",'
    .. '"developerMessages":{"en":"Something went wrong, try again later"},'
    .. '"clientMessages":{"en":"Something went wrong, try again later"}}}'

local attempts = ngx.shared.attempts

function answer(latency, faults)
    ngx.req.read_body()
    local body = ngx.req.get_body_data() or ""
    local bot = string.match(body, '"bot"%s*:%s*{%s*"id"%s*:%s*"(%d+)"')
    if ngx.req.get_method() ~= "POST" or not bot then
        ngx.exit(422)
    end
    ngx.var.mark = bot
    local attempt = attempts:incr(bot, 1, 0)
    if latency > 0 then
        ngx.sleep(latency)
    end
    if faults > 0 and ngx.crc32_short(bot .. ":" .. attempt) % 1000 < faults then
        ngx.status = 500
        ngx.header["Content-Length"] = #failure
        ngx.print(failure)
        return
    end
    local id = ngx.var.request_id
    local text = string.format(head, bot, bot, attempt, attempt, bot, id, bot, attempt)
    ngx.header["Content-Length"] = #text
    ngx.print(text)
end
