-- Deletes the widgets in a range of the jobs of a batch whose key was destroyed.
-- KEYS[1] the batch; then schema.Stretch
-- Returns how many there were.
local gone = 0
for n = arg.first, arg.last do
  local job = load(KEYS[1], n)
  if job.state and job.result ~= '' then
    job.result = ''
    save(job)
    gone = gone + 1
  end
end
settle()
return gone
