-- What wrk sends: FIRST TARGET [FORM]. `%N%` in target or form becomes a number that counts up from FIRST.
-- Whoever starts it reads the line that begins with `figures`.

local number, target, form

function init(args)
  number, target, form = tonumber(args[1]), args[2], args[3]
end

local function numbered(text)
  return (text:gsub("%%N%%", tostring(number)))
end

function request()
  number = number + 1
  if form == nil then
    return wrk.format("GET", numbered(target))
  end
  return wrk.format("POST", target, {["content-type"] = "application/x-www-form-urlencoded"}, numbered(form))
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("figures %d %d %d %d %d %d\n", summary.requests, summary.duration, failed,
    latency:percentile(50), latency:percentile(90), latency:percentile(99)))
end
