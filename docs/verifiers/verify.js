/*
 * Check Jifen draws and plays from their exported documents, with nothing but this file.
 *
 * In a mini-program or in Node:  const { verifyDraw, verifyPlay } = require('./verify.js')
 * In a page:                     <script src="verify.js"></script>
 * At a command line:             node verify.js draw.json
 *
 * verifyDraw(document) and verifyPlay(document) take the parsed JSON and return {holds, problems, compare, ...}:
 * `problems` says what does not hold; `compare` what no computation can tell, such as a beacon's value.
 * The algorithms are in docs/draws-algorithm.md; verify_draw.py and verify_play.py do the same in Python.
 */
'use strict'

var jifen = (function () {
  const NOT_WHOLE = 'the document is not whole'
  const HEX = /^[0-9a-f]{64}$/
  const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
  const BUYER = /^[0-9a-f]{32}$/
  const BYTES = /^([0-9a-f]{2})+$/
  const DAY = /^[0-9]{4}(-[0-9]{2}){2}$/
  const INSTANT = /^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,6})?Z$/
  const REASON = /^(STOCK|RELEASE|MEMBER_LIMIT|BUDGET)$/
  const ODDS = 1000000

  /* ---- shapes ---- */

  const isNothing = value => value === null || value === undefined
  const isText = value => typeof value === 'string'
  const isFlag = value => typeof value === 'boolean'
  const isCount = value => Number.isSafeInteger(value) && value >= 0
  const like = pattern => value => isText(value) && pattern.test(value)
  const oneOf = (...shapes) => value => shapes.some(shape => shape(value))
  const maybe = shape => oneOf(isNothing, shape)
  const listOf = shape => value => Array.isArray(value) && value.every(each => shape(each))
  const row = (...shapes) => value =>
    Array.isArray(value) && value.length === shapes.length && shapes.every((shape, index) => shape(value[index]))
  const has = fields => value =>
    typeof value === 'object' && value !== null && !Array.isArray(value) &&
    Object.keys(fields).every(name => fields[name](value[name]))

  const DRAW_TERMS = has({
    algorithm: isText, draw: like(ID), commitment: like(HEX), proof_level: isText, closes_at: like(INSTANT),
    prizes: listOf(has({ place: isCount, quantity: isCount, per_member: maybe(isCount) }))
  })
  const DRAW = has({
    format: isText, draw: like(ID), terms_hash: like(HEX), seed: like(HEX), root: like(HEX),
    tickets: listOf(row(isCount, like(ID), like(BUYER))), winners: listOf(row(isCount, isCount, isCount))
  })
  const DRAW_TERMS_2 = has({ beacon: has({ kind: isText }), reserves: isCount, claim_seconds: maybe(isCount) })
  const DRAW_2 = has({
    closed_at: like(INSTANT), beacon: maybe(has({ kind: isText })), reserves: listOf(row(isCount, isCount)),
    promotions: listOf(row(isCount, isCount, isCount, isCount))
  })
  const BEACONS = {
    none: { named: () => true, drawn: isNothing },
    drand: {
      named: has({ chain: like(HEX), genesis: isCount, period_seconds: isCount, delay_seconds: isCount }),
      drawn: has({ kind: value => value === 'drand', round: isCount, randomness: like(HEX), signature: like(BYTES) })
    },
    figure: {
      named: () => true,
      drawn: has({ kind: value => value === 'figure', value: isText, source: isText })
    }
  }
  const PLAY_TERMS = has({
    algorithm: isText, draw: like(ID), version: isCount, pity_after: maybe(isCount),
    lines: listOf(has({
      place: isCount, kind: isText, odds_ppm: isCount, pity_ppm: maybe(isCount), fallback: maybe(isCount)
    }))
  })
  const PLAYS = has({
    format: isText, draw: like(ID), member: like(ID),
    terms: listOf(has({ version: isCount, terms: isText, terms_hash: like(HEX) })),
    days: listOf(has({ business_date: like(DAY), commitment: like(HEX), seed: maybe(like(HEX)) })),
    plays: listOf(has({
      number: isCount, business_date: like(DAY), version: isCount, roll: isCount, nominal: isCount, given: isCount,
      reason: maybe(like(REASON)), pity: isFlag
    }))
  })

  /* ---- bytes and text ---- */

  function bytesOf (hex) {
    const bytes = new Uint8Array(hex.length / 2)
    for (let index = 0; index < bytes.length; index++) bytes[index] = parseInt(hex.substr(2 * index, 2), 16)
    return bytes
  }

  function utf8 (text) {
    const plain = new Uint8Array(text.length)
    let at = 0
    while (at < text.length && text.charCodeAt(at) < 0x80) plain[at] = text.charCodeAt(at++)
    if (at === text.length) return plain
    const bytes = []
    for (const character of text) {
      const code = character.codePointAt(0)
      if (code >= 0xd800 && code < 0xe000) throw new RangeError('half a character')
      if (code < 0x80) bytes.push(code)
      else if (code < 0x800) bytes.push(0xc0 | code >> 6, 0x80 | code & 63)
      else if (code < 0x10000) bytes.push(0xe0 | code >> 12, 0x80 | code >> 6 & 63, 0x80 | code & 63)
      else bytes.push(0xf0 | code >> 18, 0x80 | code >> 12 & 63, 0x80 | code >> 6 & 63, 0x80 | code & 63)
    }
    return Uint8Array.from(bytes)
  }

  const hexOf = words => Array.from(words, word => ('0000000' + (word >>> 0).toString(16)).slice(-8)).join('')

  function put (words, bytes, at) {
    for (let index = 0; index < 32; index++) bytes[at + index] = words[index >> 2] >>> (24 - 8 * (index & 3))
  }

  /* ---- SHA-256 (FIPS 180-4) and HMAC (RFC 2104) ---- */

  const START = new Int32Array(8)
  const K = new Int32Array(64)
  ;(function () {
    /* The constants are the first 32 bits of the fractions of square and cube roots of the first primes. */
    const fraction = value => (value - Math.floor(value)) * 4294967296 | 0
    for (let number = 2, found = 0; found < 64; number++) {
      let isPrime = true
      for (let other = 2; other * other <= number; other++) if (number % other === 0) isPrime = false
      if (!isPrime) continue
      if (found < 8) START[found] = fraction(Math.sqrt(number))
      K[found++] = fraction(Math.cbrt(number))
    }
  })()
  const W = new Int32Array(64)

  function compress (state, bytes, at) {
    for (let i = 0; i < 16; i++, at += 4) {
      W[i] = bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3]
    }
    for (let i = 16; i < 64; i++) {
      const x = W[i - 15]
      const y = W[i - 2]
      W[i] = W[i - 16] + W[i - 7] + ((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3) +
        ((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10) | 0
    }
    let a = state[0]; let b = state[1]; let c = state[2]; let d = state[3]
    let e = state[4]; let f = state[5]; let g = state[6]; let h = state[7]
    for (let i = 0; i < 64; i++) {
      const one = h + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) + (e & f ^ ~e & g) + K[i] +
        W[i] | 0
      const two = ((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) + (a & b ^ a & c ^ b & c) | 0
      h = g; g = f; f = e; e = d + one | 0; d = c; c = b; b = a; a = one + two | 0
    }
    state[0] += a; state[1] += b; state[2] += c; state[3] += d
    state[4] += e; state[5] += f; state[6] += g; state[7] += h
  }

  let padded = new Uint8Array(256)

  /* The hash, as eight words, of bytes behind whole blocks that led to `start`; `before` is how many bytes those had. */
  function digest (bytes, length, start, before) {
    const end = length + 9 + 63 & ~63
    if (padded.length < end) padded = new Uint8Array(2 * end)
    for (let index = 0; index < length; index++) padded[index] = bytes[index]
    padded.fill(0, length, end)
    padded[length] = 0x80
    const total = before + length
    for (let index = 0; index < 4; index++) padded[end - 4 + index] = total * 8 >>> (24 - 8 * index)
    padded[end - 5] = Math.floor(total / 536870912)
    const state = start.slice()
    for (let at = 0; at < end; at += 64) compress(state, padded, at)
    return state
  }

  const sha256 = bytes => digest(bytes, bytes.length, START, 0)

  /* HMAC-SHA256 under one key (at most 64 bytes) of many ASCII texts, as words. */
  function hmac (key) {
    const block = new Uint8Array(64)
    const inside = START.slice()
    const outside = START.slice()
    block.set(key)
    compress(inside, block.map(each => each ^ 0x36), 0)
    compress(outside, block.map(each => each ^ 0x5c), 0)
    const inner = new Uint8Array(32)
    return bytes => {
      put(digest(bytes, bytes.length, inside, 64), inner, 0)
      return digest(inner, 32, outside, 64)
    }
  }

  /* ---- draws ---- */

  /* RFC 9162 §2.1.1, leaf by leaf: `complete` holds the roots of complete subtrees, the largest first. */
  function treeRoot (leaves) {
    if (leaves.length === 0) return hexOf(sha256(new Uint8Array(0)))
    const node = new Uint8Array(65)
    const join = (left, right) => {
      node[0] = 1
      put(left, node, 1)
      put(right, node, 33)
      return digest(node, 65, START, 0)
    }
    const complete = []
    leaves.forEach((leaf, index) => {
      let hash = sha256(utf8('\0' + leaf))
      for (let size = index + 1; size % 2 === 0; size /= 2) hash = join(complete.pop(), hash)
      complete.push(hash)
    })
    let root = complete.pop()
    while (complete.length) root = join(complete.pop(), root)
    return hexOf(root)
  }

  function inOrder (seed, draw, last) {
    const mac = hmac(seed)
    const places = new Uint32Array(8 * (last + 1))
    const line = new Uint32Array(last)
    for (let number = 1; number <= last; number++) {
      places.set(mac(utf8(draw + '|' + number)), 8 * number)
      line[number - 1] = number
    }
    return Array.from(line.sort((one, other) => {
      for (let word = 0; word < 8; word++) {
        const apart = places[8 * one + word] - places[8 * other + word]
        if (apart) return apart
      }
      return one - other
    }))
  }

  /* Winners, and the tickets left in line. */
  function outcome (seed, draw, buyers, prizes) {
    let line = inOrder(seed, draw, buyers.length)
    const won = []
    for (const prize of prizes) {
      const passed = []
      const count = new Map()
      let left = prize.quantity
      let seen = 0
      while (left && seen < line.length) {
        const number = line[seen++]
        const buyer = buyers[number - 1]
        const held = count.get(buyer) || 0
        if (!isNothing(prize.per_member) && held >= prize.per_member) {
          passed.push(number)
        } else {
          count.set(buyer, held + 1)
          left--
          won.push([won.length + 1, number, prize.place])
        }
      }
      line = passed.concat(line.slice(seen))
    }
    return { won, line }
  }

  /* Who gets the prizes of the wins that lapsed: the first reserve left whose buyer is below the prize's limit. */
  function promoted (lapsed, won, reserves, buyers, prizes) {
    const limits = new Map(prizes.map(prize => [prize.place, prize.per_member]))
    const standing = new Map(won.map(([rank, number, place]) => [rank, { buyer: buyers[number - 1], place }]))
    const held = new Map()
    const count = (win, change) => {
      const key = win.buyer + '|' + win.place
      held.set(key, (held.get(key) || 0) + change)
      return held.get(key)
    }
    standing.forEach(win => count(win, 1))
    const free = reserves.slice()
    const found = []
    for (const old of lapsed) {
      const lost = standing.get(old)
      if (!lost) return null
      standing.delete(old)
      count(lost, -1)
      const place = lost.place
      const limit = limits.get(place)
      const may = number => isNothing(limit) || count({ buyer: buyers[number - 1], place }, 0) < limit
      const at = free.findIndex(may)
      if (at < 0) return null
      const chosen = free.splice(at, 1)[0]
      const rank = won.length + found.length + 1
      found.push([rank, old, chosen, place])
      standing.set(rank, { buyer: buyers[chosen - 1], place })
      count(standing.get(rank), 1)
    }
    return found
  }

  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other)
  const isRising = (list, isBefore) => list.every((each, index) => index === 0 || isBefore(list[index - 1], each))

  /* An instant as Unix seconds, rounded up. */
  function seconds (text) {
    const [, whole, fraction] = INSTANT.exec(text)
    const milliseconds = Date.parse(whole + 'Z')
    if (new Date(milliseconds).toISOString().slice(0, 19) !== whole) throw new RangeError('no such instant')
    return milliseconds / 1000 + (Number('0' + (fraction || '')) > 0 ? 1 : 0)
  }

  function roundAfter (chain, closedAt) {
    const wait = seconds(closedAt) + chain.delay_seconds - chain.genesis
    return 1 + Math.max(0, Math.ceil(wait / Math.max(1, chain.period_seconds)))
  }

  function checkDraw (document, terms, check) {
    const draw = document.draw
    const tickets = document.tickets
    const prizes = terms.prizes
    const buyers = tickets.map(ticket => ticket[2])
    let seed = bytesOf(document.seed)
    check(FORMATS.get(terms.algorithm) === document.format, 'the format is not that of the algorithm')
    check(terms.draw === draw, 'the terms are those of another draw')
    check(hexOf(sha256(utf8(document.terms))) === document.terms_hash, 'the terms do not have the published hash')
    check(hexOf(sha256(seed)) === terms.commitment, 'the seed is not the committed one')
    check(tickets.every((ticket, index) => ticket[0] === index + 1), 'numbers are not 1, 2, 3, ...')
    check(isRising(tickets, (one, other) => one[1] < other[1]), 'the tickets are not in the order of their ids')
    const leaves = tickets.map(ticket => draw + '|' + ticket.join('|'))
    check(treeRoot(leaves) === document.root, 'the tickets do not have the published root')
    if (terms.algorithm === 'jifen-draw-1') {
      check(same(outcome(seed, draw, buyers, prizes).won, document.winners), 'the winners are others')
      return
    }
    const named = terms.beacon
    const beacon = document.beacon
    const shapes = new Map(Object.entries(BEACONS)).get(named.kind)
    const level = named.kind === 'none' ? 'OPERATOR' : 'PUBLIC'
    check(terms.proof_level === level && shapes.named(named), 'the terms do not say which beacon it is')
    check(shapes.drawn(beacon), 'the beacon is not the one that the terms name')
    if (!shapes.named(named) || !shapes.drawn(beacon)) return
    check(seconds(document.closed_at) >= seconds(terms.closes_at), 'it closed before its time')
    if (beacon) {
      if (named.kind === 'drand') {
        check(beacon.round === roundAfter(named, document.closed_at), 'the round is not the one after closing')
        const sealed = hexOf(sha256(bytesOf(beacon.signature)))
        check(sealed === beacon.randomness, 'the randomness is not the hash of the signature')
      }
      const value = named.kind === 'drand' ? beacon.randomness : beacon.value
      const mixed = new Uint8Array(32)
      put(hmac(seed)(utf8('beacon|' + draw + '|' + value)), mixed, 0)
      seed = mixed
    }
    const { won, line } = outcome(seed, draw, buyers, prizes)
    const reserves = line.slice(0, terms.reserves)
    const lapsed = document.promotions.map(promotion => promotion[1])
    const may = !lapsed.length || (!isNothing(terms.claim_seconds) && isRising(lapsed, (one, other) => one < other))
    check(same(won, document.winners), 'the winners are others')
    check(same(reserves.map((number, index) => [index + 1, number]), document.reserves), 'the reserves are others')
    check(may && same(promoted(lapsed, won, reserves, buyers, prizes), document.promotions), 'the promotions are others')
  }

  const FORMATS = new Map([['jifen-draw-1', 'jifen-draw-export-1'], ['jifen-draw-2', 'jifen-draw-export-2']])

  function drawProblems (document) {
    const terms = JSON.parse(document.terms)
    if (has({ algorithm: isText })(terms) && !FORMATS.has(terms.algorithm)) return ['the algorithm is not one that this verifier knows']
    const isSecond = terms.algorithm === 'jifen-draw-2'
    if (!DRAW(document) || (isSecond && !DRAW_2(document))) return [NOT_WHOLE]
    if (!DRAW_TERMS(terms) || (isSecond && !DRAW_TERMS_2(terms))) return [NOT_WHOLE]
    return gathered(check => checkDraw(document, terms, check))
  }

  /* What no computation here can tell: where the beacon's value has to be looked up. */
  function toCompare (document) {
    const beacon = document.beacon
    if (isNothing(beacon)) return []
    if (beacon.kind === 'figure') return ['compare with its source: ' + beacon.value + ' (' + beacon.source + ')']
    const chain = JSON.parse(document.terms).beacon.chain
    const round = 'chain ' + chain + ', round ' + beacon.round + ', signature ' + beacon.signature
    return ['compare with any drand relay: ' + round, 'its BLS signature is not checked here']
  }

  /* ---- plays ---- */

  /* 0 to 999,999, each as likely: 64 bits below the greatest multiple of a million, taken as two words. */
  function roll (seed, message) {
    const mac = hmac(seed)
    for (let attempt = 0; ; attempt++) {
      const words = mac(utf8(message + '|' + attempt))
      const high = words[0] >>> 0
      const low = words[1] >>> 0
      if (high === 4294967295 && low >= 4294967296 - 551616) continue /* 2^64 modulo a million is 551,616 */
      return ((high % ODDS) * 967296 + low) % ODDS /* 2^32 modulo a million is 967,296 */
    }
  }

  function nominal (lines, column, rolled) {
    for (const line of lines) {
      rolled -= line[column] || 0
      if (rolled < 0) return line.place
    }
    return null
  }

  function mayGive (lines, play) {
    if (isNothing(play.reason)) return play.given === play.nominal
    const fallbacks = new Map(lines.map(line => [line.place, line.fallback]))
    let place = play.nominal
    for (let step = 0; step < lines.length; step++) {
      place = fallbacks.get(place)
      if (place === play.given) return true
    }
    return false
  }

  function checkTerms (draw, each, terms, check) {
    const where = 'version ' + each.version + ': '
    check(hexOf(sha256(utf8(each.terms))) === each.terms_hash, where + 'the terms have another hash')
    check(terms.algorithm === 'jifen-play-1', where + 'the algorithm is not one that this verifier knows')
    check(terms.draw === draw && terms.version === each.version, where + 'the terms are of something else')
    const columns = isNothing(terms.pity_after) ? ['odds_ppm'] : ['odds_ppm', 'pity_ppm']
    const sum = column => terms.lines.reduce((total, line) => total + (line[column] || 0), 0)
    check(columns.every(column => sum(column) === ODDS), where + 'the odds do not sum to ' + ODDS)
  }

  function checkPlays (document, versions, check) {
    const { draw, member, plays, days } = document
    check(document.format === 'jifen-play-export-1', 'the format is not one that this verifier knows')
    document.terms.forEach(each => checkTerms(draw, each, versions.get(each.version), check))
    check(versions.size === document.terms.length, 'a version stands twice')
    check(isRising(days, (one, other) => one.business_date < other.business_date), 'the days are not in their order')
    for (const day of days) {
      const opened = isNothing(day.seed) || hexOf(sha256(bytesOf(day.seed))) === day.commitment
      check(opened, day.business_date + ': the seed is not the committed one')
    }
    const isOpenFirst = isRising(days, (one, other) => !isNothing(one.seed) || isNothing(other.seed))
    check(isOpenFirst, 'a seed is secret though a later one is revealed')
    check(plays.every((play, index) => play.number === index + 1), 'numbers are not 1, 2, 3, ...')
    const isAfter = (one, other) => one.business_date <= other.business_date && one.version <= other.version
    check(isRising(plays, isAfter), 'days or versions go backwards')
    const seeds = new Map(days.map(day => [day.business_date, day.seed]))
    let lost = 0
    for (const play of plays) {
      const where = 'play ' + play.number + ': '
      if (!seeds.has(play.business_date) || !versions.has(play.version)) {
        check(false, where + 'its day or its version is missing')
        return
      }
      const terms = versions.get(play.version)
      const seed = seeds.get(play.business_date)
      const pity = !isNothing(terms.pity_after) && lost >= terms.pity_after
      const rolled = isNothing(seed) ? play.roll : roll(bytesOf(seed), draw + '|' + member + '|' + play.number)
      check(play.roll === rolled, where + 'the roll is another')
      check(play.pity === pity, where + 'the pity is another')
      const place = nominal(terms.lines, pity ? 'pity_ppm' : 'odds_ppm', play.roll)
      check(play.nominal === place, where + 'the prize is another')
      check(mayGive(terms.lines, play), where + 'what was given is no declared fallback')
      const given = new Map(terms.lines.map(each => [each.place, each.kind])).get(play.given)
      lost = given === 'NONE' ? lost + 1 : 0
    }
  }

  function playProblems (document) {
    if (!PLAYS(document)) return [NOT_WHOLE]
    const versions = new Map(document.terms.map(each => [each.version, JSON.parse(each.terms)]))
    if (!Array.from(versions.values()).every(PLAY_TERMS)) return [NOT_WHOLE]
    return gathered(check => checkPlays(document, versions, check))
  }

  /* ---- both ---- */

  function gathered (checks) {
    const problems = []
    checks((holds, otherwise) => { if (!holds) problems.push(otherwise) })
    return problems
  }

  function problemsOf (find, document) {
    try {
      return find(document)
    } catch (error) {
      return [NOT_WHOLE]
    }
  }

  function verifyDraw (document) {
    const problems = problemsOf(drawProblems, document)
    const holds = problems.length === 0
    const counts = holds ? { tickets: document.tickets.length, winners: document.winners.length } : {}
    return Object.assign({ holds, problems, compare: holds ? toCompare(document) : [] }, counts)
  }

  function verifyPlay (document) {
    const problems = problemsOf(playProblems, document)
    const holds = problems.length === 0
    if (!holds) return { holds, problems, compare: [] }
    const secret = new Set(document.days.filter(day => isNothing(day.seed)).map(day => day.business_date))
    const waiting = document.plays.filter(play => secret.has(play.business_date)).length
    return { holds, problems, compare: [], plays: document.plays.length - waiting, waiting }
  }

  /* What a person reads, the same lines as the verifiers in Python write. */
  function report (document) {
    const isPlay = document !== null && typeof document === 'object' && /^jifen-play/.test(document.format)
    const found = isPlay ? verifyPlay(document) : verifyDraw(document)
    if (!found.holds) return { holds: false, lines: found.problems }
    const awaited = found.waiting ? ', ' + found.waiting + ' await their seed' : ''
    const counted = isPlay ? found.plays + ' plays recomputed' + awaited
      : found.tickets + ' tickets, ' + found.winners + ' winners recomputed'
    return { holds: true, lines: ['holds: ' + counted].concat(found.compare) }
  }

  return { verifyDraw, verifyPlay, report }
})()

/* Modules are a thing of Node and of mini-programs; a page finds the functions in `jifen`. */
if (typeof module === 'object' && module && module.exports) module.exports = jifen

/* The name is not written into the call, so that tools which bundle mini-programs do not look for the module. */
if (typeof require === 'function' && typeof process === 'object' && require.main && require.main === module) {
  const load = require
  const found = jifen.report(JSON.parse(load('fs').readFileSync(process.argv[2], 'utf8')))
  console.log(found.lines.join('\n'))
  process.exitCode = found.holds ? 0 : 1
}
