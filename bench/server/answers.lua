-- What the server can say: the documented 200 with a widget of its own, and what goes wrong.

local head = '{"message":["Widget was created successfully!"],"statusMessage":"success","status":1,"data":{'
    .. '"Bot":{"id":"%s"},"Widget":{"properties":{"type":"normal"},"theme":{"position":"br","status":true,'
    .. '"font":{"googlefont":true,"name":"Inter"},"vars":{"color":{"primary":"#00677F","secondary":"#00A2CF",'
    .. '"userText":"#FFFFFF","errorTxt":"#910018","errorBg":"#FFE3E3"}}},"startButton":{"position":"br",'
    .. '"borderPercentage":"50%%"},"id":"w-%s-%d"},"ApiKey":{"id":%d,"state":1,"key":"key-%s-%s",'
    .. '"widgetId":"w-%s-%d","createdAt":"2026-01-01T00:00:00.000Z","updatedAt":"2026-01-01T00:00:00.000Z"}}}'

-- The envelope that the API documents for its 500.
local envelope = '{"message":["Something went wrong, try again later"],"statusMessage":"failed","error":{'
    .. '"code":"E0%d","key":"%s","description":"Something went wrong, try again later",'
    .. '"developerMessages":{"en":"Something went wrong, try again later"},'
    .. '"clientMessages":{"en":"Something went wrong, try again later"}}}'

local page = "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n"
    .. "<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n<hr><center>nginx</center>\r\n"
    .. "</body>\r\n</html>\r\n"

local answers = {
    failure = { status = 500, body = envelope:format(500, "internal_server_error") },
    unavailable = { status = 503, body = envelope:format(503, "service_unavailable") },
    gateway = { status = 503, body = page, type = "text/html" },
}

function answers.widget(bot, attempt)
    local id = ngx.var.request_id
    return head:format(bot, bot, attempt, attempt, bot, id, bot, attempt)
end

function answers.refusal(retry_after, latency)
    local body = '{"message":"Too Many Requests","statusMessage":"failed"}'
    return { status = 429, body = body, retry_after = retry_after, latency = latency }
end

return answers
