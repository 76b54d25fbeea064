-- Sends the requests of a file, one visitor a line: path, tab, figway_id.
-- They are written out before the run, so that choosing one costs the load generator next to nothing.
local requests = {}
local count = 0
local next_one = 0
local pause = 0

function init(args)
  for line in io.lines(args[1]) do
    local path, device = line:match("^([^\t]+)\t(%x+)$")
    count = count + 1
    requests[count] = wrk.format("GET", path, {
      ["Host"] = wrk.headers["Host"],
      ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
      ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
      ["Accept-Language"] = "en-GB,en;q=0.8,de;q=0.5",
      ["Accept-Encoding"] = "gzip, deflate, br, zstd",
      ["Referer"] = "http://shop.example/category/drills",
      ["Cookie"] = "consent=all; figway_id=" .. device .. "; theme=light",
      ["Upgrade-Insecure-Requests"] = "1",
      ["Sec-Fetch-Dest"] = "document",
      ["Sec-Fetch-Mode"] = "navigate",
      ["Sec-Fetch-Site"] = "same-origin",
    })
  end
  pause = tonumber(args[2])
  if pause > 0 then
    -- wrk looks for this global: milliseconds to wait before the next request of a connection.
    delay = function() return math.random(pause - math.floor(pause / 2), pause + math.floor(pause / 2)) end
  end
end

function request()
  next_one = next_one % count + 1
  return requests[next_one]
end
