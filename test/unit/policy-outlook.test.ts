/** What policy could ever say, before anyone calls: it must never hide what could pass. */
import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/brands.ts'
import type { JsonObject } from '../../src/json/value.ts'
import type { OutlookInput, PolicyInput } from '../../src/policy/decision.ts'
import { aPrincipal } from '../support/examples.ts'
import { aCall, policyOf } from '../support/policies.ts'
import { seeded } from '../support/seeded.ts'

const asked = (change: Partial<OutlookInput> = {}): OutlookInput => ({
  upstream: 'files',
  method: 'tools/call',
  tool: 'read_file',
  params: {},
  principal: aPrincipal(),
  toolDefinition: {},
  ...change,
})
const resource = (uri?: string) =>
  asked({ method: 'resources/read', tool: null, params: uri === undefined ? {} : { uri }, toolDefinition: null })
const prompt = (name: string) => asked({ method: 'prompts/get', tool: null, params: { name }, toolDefinition: null })
const readOnly = { name: 'read_file', annotations: { readOnlyHint: true } }
const dba = aPrincipal({ groups: ['dba'], claims: { department: 'it' } })

const NO = { possible: false, approval: 'never' }
const YES = { possible: true, approval: 'never' }
const ALWAYS = { possible: true, approval: 'always' }
const SOMETIMES = { possible: true, approval: 'sometimes' }

const rule = (effect: string, more = '') => `  - { id: r${Math.abs(hash(effect + more))}, effect: ${effect}${more} }`
const when = (condition: string) => `, when: ${JSON.stringify(condition)}`
const hash = (text: string) => [...text].reduce((sum, letter) => (Math.imul(sum, 31) + letter.charCodeAt(0)) | 0, 7)

describe('the outlook of a tool', () => {
  it.each<[string, string[], Partial<OutlookInput>, object]>([
    ['no rule is about it', [rule('allow', ', match: { tool: write_file }')], {}, NO],
    ['a rule allows it', [rule('allow')], {}, YES],
    ['a rule denies it', [rule('deny'), rule('allow')], {}, NO],
    ['a rule denies it, and would have others approved', [rule('deny'), rule('require_approval')], {}, NO],
    ['a rule has it approved', [rule('require_approval'), rule('allow')], {}, ALWAYS],
    ['it belongs to another upstream', [rule('allow', ', match: { upstream: pg-dev }')], {}, NO],
    ['its name cannot be seen whole', [rule('allow')], { tool: 'read\u200b_file' }, NO],
    ['its name is empty', [rule('allow')], { tool: '' }, NO],
    [
      'its name is folded like a denied one',
      [rule('deny', ', match: { tool: read_file }'), rule('allow')],
      { tool: 'Read_File' },
      NO,
    ],
    ['arguments are denied', [rule('deny', when('mcp.tool.arguments.path == "/etc"')), rule('allow')], {}, YES],
    ['arguments are allowed', [rule('allow', when('mcp.tool.arguments.path == "/tmp"'))], {}, YES],
    [
      'arguments are approved, others allowed',
      [rule('require_approval', when('has(mcp.tool.arguments.force)')), rule('allow')],
      {},
      SOMETIMES,
    ],
    [
      'arguments are approved, others denied',
      [rule('require_approval', when('has(mcp.tool.arguments.force)'))],
      {},
      ALWAYS,
    ],
    [
      'arguments are denied, others approved',
      [rule('deny', when('has(mcp.tool.arguments.force)')), rule('require_approval'), rule('allow')],
      {},
      ALWAYS,
    ],
    ['the time decides', [rule('deny', when('now.getHours() < 9')), rule('allow')], {}, YES],
    [
      'the time decides who is asked',
      [rule('require_approval', when('now.getHours() < 9')), rule('allow')],
      {},
      SOMETIMES,
    ],
    ['the whole of mcp is read', [rule('deny', when('mcp["tool"]["arguments"]["a"] == 1')), rule('allow')], {}, YES],
    ['it is allowed to another group', [rule('allow', when('"dba" in principal.groups'))], {}, NO],
    ['it is allowed to this group', [rule('allow', when('"dba" in principal.groups'))], { principal: dba }, YES],
    [
      'it is denied to this claim',
      [rule('deny', when('jwt.department == "it"')), rule('allow')],
      { principal: dba },
      NO,
    ],
    ['a claim that is missing denies it', [rule('deny', when('jwt.department == "it"')), rule('allow')], {}, NO],
    ['a claim that is missing would allow it', [rule('allow', when('jwt.department == "it"'))], {}, NO],
    ['its name is read', [rule('allow', when('mcp.tool.name.startsWith("write")'))], {}, NO],
    [
      'its name, the method and the upstream are read',
      [rule('allow', when('mcp.tool.name == "read_file" && mcp.method == "tools/call" && upstream == "files"'))],
      {},
      YES,
    ],
    [
      'its definition says that it only reads',
      [rule('require_approval', when('!tool.annotations.readOnlyHint')), rule('allow')],
      { toolDefinition: readOnly },
      YES,
    ],
    [
      'its definition does not say so',
      [rule('require_approval', when('!tool.annotations.readOnlyHint')), rule('allow')],
      {},
      ALWAYS,
    ],
    [
      'the group and arguments decide',
      [rule('deny', when('"dba" in principal.groups && has(mcp.tool.arguments.x)')), rule('allow')],
      {},
      YES,
    ],
    [
      'a local name hides what would not be known',
      [rule('deny', when('principal.groups.exists(now, now == "dba")')), rule('allow')],
      { principal: dba },
      NO,
    ],
    [
      'mcp.params is read, which a tools/call never has',
      [rule('deny', when('mcp.params.uri == "x"')), rule('allow')],
      {},
      NO,
    ],
  ])('where %s', (_sentence, rules, change, outlook) => {
    expect(policyOf(rules.join('\n')).outlook(asked(change))).toEqual(outlook)
  })
})

describe('the outlook of resources and prompts', () => {
  const read = ', match: { method: resources/read }'
  const docs = rule('allow', `${read}${when('mcp.params.uri.startsWith("docs://")')}`)
  it.each<[string, string[], OutlookInput, object]>([
    ['that a rule allows by its address', [docs], resource('docs://a'), YES],
    ['that no rule allows by its address', [docs], resource('file:///etc/passwd'), NO],
    ['whose address a template leaves open', [docs], resource(), YES],
    ['that a rule for tools is not about', [rule('allow')], resource('docs://a'), NO],
    ['that a rule denies', [rule('deny', read), docs], resource('docs://a'), NO],
    [
      'a rule about another member of params',
      [rule('deny', `${read}${when('has(mcp.params.other)')}`), docs],
      resource('docs://a'),
      YES,
    ],
    [
      'a name in brackets',
      [rule('deny', `${read}${when('mcp.params["uri"] == "docs://a"')}`), docs],
      resource('docs://b'),
      YES,
    ],
    [
      'a rule about arguments, which they never have',
      [rule('deny', `${read}${when('mcp.tool.arguments.a == 1')}`), docs],
      resource('docs://a'),
      NO,
    ],
    [
      'a prompt by its name',
      [rule('allow', `, match: { method: prompts/get }${when('mcp.params.name == "greet"')}`)],
      prompt('greet'),
      YES,
    ],
    [
      'another prompt',
      [rule('allow', `, match: { method: prompts/get }${when('mcp.params.name == "greet"')}`)],
      prompt('other'),
      NO,
    ],
    [
      'a prompt by its arguments',
      [rule('allow', `, match: { method: prompts/get }${when('mcp.params.arguments.a == "b"')}`)],
      prompt('other'),
      YES,
    ],
  ])('%s', (_sentence, rules, input, outlook) => {
    expect(policyOf(rules.join('\n')).outlook(input)).toEqual(outlook)
  })
})

describe('whether an upstream’s calls can be held', () => {
  const policy = policyOf(
    '  - { id: ask, effect: require_approval, match: { upstream: "pg-*", tool: x } }\n  - { id: all, effect: allow }',
  )
  it.each([
    ['pg-prod', true],
    ['files', false],
  ])('%s: %s', (upstream, can) => {
    expect(policy.canHold(upstream)).toBe(can)
    expect(policyOf('  - { id: ask, effect: require_approval }').canHold(upstream)).toBe(true)
  })
})

describe('whatever policy says of a call', () => {
  const CONDITIONS = [
    'true',
    'false',
    '"dba" in principal.groups',
    'jwt.department == "it"',
    'tool.annotations.readOnlyHint',
    'mcp.tool.name == "a"',
    'mcp.tool.arguments.x == 1',
    'has(mcp.tool.arguments.x)',
    'mcp.tool.arguments.x == 1 || "dba" in principal.groups',
    'mcp.tool.arguments.x == 1 && jwt.department == "it"',
    'mcp.params.uri == "a"',
    'has(mcp.params.more)',
    'mcp["params"]["uri"] == "a"',
    'mcp.params.uri == "a" ? jwt.department == "it" : true',
    'now.getHours() == 9',
    'mcp.method == "tools/call"',
    '[1, 2].exists(mcp, mcp == 1)',
    'jwt.department',
  ]
  const EFFECTS = ['allow', 'deny', 'require_approval']
  const ARGUMENTS: JsonObject[] = [{}, { x: 1 }, { x: 2 }, { uri: 'a' }, { uri: 'b', more: true }]
  const DEFINITIONS = [{}, readOnly, { annotations: { readOnlyHint: false } }, { annotations: 'none' }]
  const random = seeded(3)
  const pick = <T>(from: readonly T[]): T => from[random(from.length)] as T

  function aPolicy() {
    const rules = Array.from({ length: 1 + random(5) }, (_, at) => {
      const effect = pick(EFFECTS)
      const method = effect === 'require_approval' ? '' : pick(['', ', method: "*"', ', method: resources/read'])
      const tool = method.endsWith('read') ? '' : pick(['', ', tool: a', ', tool: "?"'])
      const condition = random(3) === 0 ? '' : when(pick(CONDITIONS))
      return `  - { id: r${at}, effect: ${effect}, match: { upstream: files${method}${tool} }${condition} }`
    })
    return { text: rules.join('\n'), policy: policyOf(rules.join('\n')) }
  }

  function aRandomCall(): PolicyInput {
    const args = pick(ARGUMENTS)
    const now = epochMs(Date.UTC(2026, 0, 31, pick([9, 10])))
    const common = { principal: pick([dba, aPrincipal()]), arguments: args, now }
    return random(3) === 0
      ? aCall({ ...common, method: 'resources/read', tool: null })
      : aCall({ ...common, tool: pick(['a', 'b', 'long']), toolDefinition: pick(DEFINITIONS) })
  }

  it('[REQ-LIST-1] its outlook calls possible, and says rightly whether it waits', () => {
    const met = { possible: 0, always: 0, sometimes: 0, never: 0, impossible: 0 }
    for (let round = 0; round < 1_500; round++) {
      const { policy, text } = aPolicy()
      for (let each = 0; each < 5; each++) {
        const { arguments: args, now: _now, ...call } = aRandomCall()
        const uri = call.method === 'resources/read' ? (args as JsonObject).uri : undefined
        const outlook = policy.outlook({ ...call, params: uri === undefined || random(4) === 0 ? {} : { uri } })
        const { effect } = policy.evaluate({ ...call, arguments: args, now: _now })
        const told = `${text}\n${JSON.stringify({ ...call, args })} ${JSON.stringify(outlook)} ${effect}`
        if (effect !== 'deny') expect(outlook.possible, told).toBe(true)
        if (effect === 'allow') expect(outlook.approval, told).not.toBe('always')
        if (effect === 'require_approval') expect(outlook.approval, told).not.toBe('never')
        met[outlook.approval]++
        met[outlook.possible ? 'possible' : 'impossible']++
      }
    }
    for (const count of Object.values(met)) expect(count).toBeGreaterThan(50)
  })
})
