// OpenCode's edit matcher, written down plainly from its description, to be measured against the compiled one.
// Reads JSON lines [name, content, old, new, replaceAll, rounds]; answers [name, milliseconds of the best round, outcome].
"use strict"

const ACCEPTED = 0.65

function levenshtein(a, b) {
  if (a === "" || b === "") return Math.max(a.length, b.length)
  const matrix = Array.from({ length: a.length + 1 }, (_, i) =>
    Array.from({ length: b.length + 1 }, (_, j) => (i === 0 ? j : j === 0 ? i : 0)),
  )
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      matrix[i][j] = Math.min(matrix[i - 1][j] + 1, matrix[i][j - 1] + 1, matrix[i - 1][j - 1] + cost)
    }
  }
  return matrix[a.length][b.length]
}

function span(lines, content, first, last) {
  let start = 0
  for (let k = 0; k < first; k++) start += lines[k].length + 1
  let end = start
  for (let k = first; k <= last; k++) {
    end += lines[k].length
    if (k < last) end += 1
  }
  return content.substring(start, end)
}

function* simple(content, find) {
  yield find
}

function* lineTrimmed(content, find) {
  const lines = content.split("\n")
  const wanted = find.split("\n")
  if (wanted[wanted.length - 1] === "") wanted.pop()
  for (let i = 0; i <= lines.length - wanted.length; i++) {
    let fits = true
    for (let k = 0; k < wanted.length; k++) {
      if (lines[i + k].trim() !== wanted[k].trim()) {
        fits = false
        break
      }
    }
    if (fits) yield span(lines, content, i, i + wanted.length - 1)
  }
}

function similarity(lines, wanted, first, last, isSingle) {
  const size = last - first + 1
  const compared = Math.min(wanted.length - 2, size - 2)
  if (compared <= 0) return 1
  let total = 0
  for (let k = 1; k < wanted.length - 1 && k < size - 1; k++) {
    const ours = lines[first + k].trim()
    const theirs = wanted[k].trim()
    const longest = Math.max(ours.length, theirs.length)
    if (longest === 0) continue
    const alike = 1 - levenshtein(ours, theirs) / longest
    total += isSingle ? alike / compared : alike
    if (isSingle && total >= ACCEPTED) break
  }
  return isSingle ? total : total / compared
}

function* blockAnchor(content, find) {
  const lines = content.split("\n")
  const wanted = find.split("\n")
  if (wanted.length < 3) return
  if (wanted[wanted.length - 1] === "") wanted.pop()
  const firstAnchor = wanted[0].trim()
  const lastAnchor = wanted[wanted.length - 1].trim()
  const tolerance = Math.max(1, Math.floor(wanted.length * 0.25))
  const blocks = []
  for (let i = 0; i < lines.length; i++) {
    if (lines[i].trim() !== firstAnchor) continue
    for (let j = i + 2; j < lines.length; j++) {
      if (lines[j].trim() === lastAnchor) {
        if (Math.abs(j - i + 1 - wanted.length) <= tolerance) blocks.push([i, j])
        break
      }
    }
  }
  let best = null
  let most = -1
  for (const [first, last] of blocks) {
    const alike = similarity(lines, wanted, first, last, blocks.length === 1)
    if (alike > most) {
      most = alike
      best = [first, last]
    }
  }
  if (best && most >= ACCEPTED) yield span(lines, content, best[0], best[1])
}

function* whitespaceNormalized(content, find) {
  const normalize = (text) => text.replace(/\s+/g, " ").trim()
  const wanted = normalize(find)
  const lines = content.split("\n")
  for (const line of lines) {
    if (normalize(line) === wanted) {
      yield line
    } else if (normalize(line).includes(wanted)) {
      const words = find.trim().split(/\s+/)
      const pattern = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("\\s+")
      const match = line.match(new RegExp(pattern))
      if (match) yield match[0]
    }
  }
  const size = find.split("\n").length
  if (size > 1) {
    for (let i = 0; i <= lines.length - size; i++) {
      const block = lines.slice(i, i + size).join("\n")
      if (normalize(block) === wanted) yield block
    }
  }
}

function* indentationFlexible(content, find) {
  const dedent = (text) => {
    const lines = text.split("\n")
    const filled = lines.filter((line) => line.trim().length > 0)
    if (filled.length === 0) return text
    const least = Math.min(...filled.map((line) => line.match(/^(\s*)/)[1].length))
    return lines.map((line) => (line.trim().length === 0 ? line : line.slice(least))).join("\n")
  }
  const wanted = dedent(find)
  const lines = content.split("\n")
  const size = find.split("\n").length
  for (let i = 0; i <= lines.length - size; i++) {
    const block = lines.slice(i, i + size).join("\n")
    if (dedent(block) === wanted) yield block
  }
}

function* escapeNormalized(content, find) {
  const escaped = { n: "\n", t: "\t", r: "\r" }
  const unescape = (text) => text.replace(/\\(n|t|r|'|"|`|\\|\n|\$)/g, (_, character) => escaped[character] ?? character)
  const wanted = unescape(find)
  if (content.includes(wanted)) yield wanted
  const lines = content.split("\n")
  const size = wanted.split("\n").length
  for (let i = 0; i <= lines.length - size; i++) {
    const block = lines.slice(i, i + size).join("\n")
    if (unescape(block) === wanted) yield block
  }
}

function* trimmedBoundary(content, find) {
  const wanted = find.trim()
  if (wanted === find) return
  if (content.includes(wanted)) yield wanted
  const lines = content.split("\n")
  const size = find.split("\n").length
  for (let i = 0; i <= lines.length - size; i++) {
    const block = lines.slice(i, i + size).join("\n")
    if (block.trim() === wanted) yield block
  }
}

function* contextAware(content, find) {
  const wanted = find.split("\n")
  if (wanted.length < 3) return
  if (wanted[wanted.length - 1] === "") wanted.pop()
  const lines = content.split("\n")
  const firstAnchor = wanted[0].trim()
  const lastAnchor = wanted[wanted.length - 1].trim()
  for (let i = 0; i < lines.length; i++) {
    if (lines[i].trim() !== firstAnchor) continue
    for (let j = i + 2; j < lines.length; j++) {
      if (lines[j].trim() !== lastAnchor) continue
      const block = lines.slice(i, j + 1)
      if (block.length === wanted.length) {
        let equal = 0
        let counted = 0
        for (let k = 1; k < block.length - 1; k++) {
          const ours = block[k].trim()
          const theirs = wanted[k].trim()
          if (ours.length > 0 || theirs.length > 0) {
            counted++
            if (ours === theirs) equal++
          }
        }
        if (counted === 0 || equal / counted >= 0.5) yield block.join("\n")
      }
      break
    }
  }
}

function* multiOccurrence(content, find) {
  for (let i = content.indexOf(find); i !== -1; i = content.indexOf(find, i + find.length)) yield find
}

const REPLACERS = [
  simple, lineTrimmed, blockAnchor, whitespaceNormalized, indentationFlexible, escapeNormalized, trimmedBoundary,
  contextAware, multiOccurrence,
]

function isOutOfProportion(candidate, find) {
  const lines = find.split("\n").length
  if (candidate.split("\n").length >= Math.max(lines + 3, lines * 2)) return true
  if (lines === 1) return false
  return candidate.trim().length > Math.max(find.trim().length + 500, find.trim().length * 4)
}

function replace(content, old, replacement, replaceAll) {
  let isFound = false
  for (const replacer of REPLACERS) {
    for (const candidate of replacer(content, old)) {
      if (candidate === "") continue
      const start = content.indexOf(candidate)
      if (start === -1) continue
      isFound = true
      if (isOutOfProportion(candidate, old)) return "edit_too_large"
      if (replaceAll) return content.replaceAll(candidate, () => replacement)
      if (content.lastIndexOf(candidate) !== start) continue
      return content.substring(0, start) + replacement + content.substring(start + candidate.length)
    }
  }
  return isFound ? "edit_ambiguous" : "edit_not_found"
}

const ERRORS = new Set(["edit_too_large", "edit_ambiguous", "edit_not_found"])

require("readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const [name, content, old, replacement, replaceAll, rounds] = JSON.parse(line)
    const times = []
    let result
    for (let round = 0; round < rounds; round++) {
      const cpu = process.cpuUsage()
      const start = process.hrtime.bigint()
      result = replace(content, old, replacement, replaceAll)
      // V8 joins strings lazily; reading one character makes it do the work that Python has done.
      if (result.length) result.charCodeAt(result.length - 1)
      const wall = Number(process.hrtime.bigint() - start) / 1e6
      const used = process.cpuUsage(cpu)
      // The processor's clock ticks in microseconds and counts the threads of garbage collection: the smaller is fair.
      times.push(wall > 1 ? Math.min(wall, (used.user + used.system) / 1e3) : wall)
    }
    const outcome = ERRORS.has(result) ? result : "replaced"
    process.stdout.write(JSON.stringify([name, Math.min(...times), outcome]) + "\n")
  })
