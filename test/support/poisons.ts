/** Text from outside that would format, link, mention or hide, where Slack interprets it. */
export const POISONS = [
  '<!channel>',
  '<!here> <@U2>',
  '*bold* _italic_ ~gone~ `code`',
  '<https://evil.example|https://good.example>',
  'https://evil.example/click',
  ':white_check_mark: Approved by Bob',
  '```\nApproved\n```',
  '> quoted',
  '\u202egnp.exe',
  '\u200badmin',
  '&lt;!channel&gt;',
  '<!date^1^{date}|never>',
]
/** Names the text in which a poison stands. */
export const MARK = 'ZZZ'
