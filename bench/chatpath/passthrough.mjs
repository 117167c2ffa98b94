// What a route of a web front end does with an agent's stream: fetch it and pass it on.
import { once } from 'node:events'
import http from 'node:http'

const [upstream, port] = process.argv.slice(2)

const server = http.createServer(async (request, response) => {
  try {
    const answer = await fetch(upstream + request.url)
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') })
    response.flushHeaders()
    for await (const chunk of answer.body) {
      if (!response.write(chunk)) await once(response, 'drain')
    }
    response.end()
  } catch {
    response.destroy()
  }
})
server.listen(Number(port), '127.0.0.1')
