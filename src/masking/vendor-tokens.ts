/**
 * Tokens that their vendors made recognisable by a prefix. The prefixes are the vendors' own documentation; lengths are
 * lower bounds, because vendors lengthen tokens without notice and a missed token costs more than a masked lookalike.
 *
 * No word boundary is asked for where the prefix is distinctive: `xghp_…` holds the same token.
 */
import { byPattern, type Detector } from './detector.ts'

export const VENDOR_TOKENS: readonly Detector[] = [
  // AWS IAM user guide, "IAM identifiers": unique key prefixes, then base32.
  byPattern('aws-access-key-id', ['akia', 'asia', 'abia', 'acca'], /A(?:KIA|SIA|BIA|CCA)[A-Z2-7]{16}/i),
  byPattern(
    'aws-secret-access-key',
    ['secret_access_key', 'secret-access-key', 'secret access key', 'secretaccesskey', 'aws_secret'],
    /(?:aws_)?secret(?:[_ -]?access)?(?:[_ -]?key)?(?:["'`\s:=>,|]){1,12}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])/i,
    40,
  ),
  // The pair as consoles export it: id, separator, secret.
  byPattern(
    'aws-secret-access-key',
    ['akia', 'asia'],
    /A(?:KIA|SIA)[A-Z2-7]{16}["']?[\s,:;|]{1,8}["']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])/,
    40,
  ),
  // GitHub docs, "About authentication to GitHub": token formats.
  byPattern('github-token', ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'], /gh[pousr]_[A-Za-z0-9]{30,}/i),
  byPattern('github-token', ['github_pat_'], /github_pat_[A-Za-z0-9_]{22,}/i),
  // GitLab docs, "Token overview": prefixes. A dot parts the routable format.
  byPattern(
    'gitlab-pat',
    ['glpat-', 'gldt-', 'glrt-', 'glptt-', 'glcbt-', 'glsoat-', 'glft-'],
    /gl(?:pat|dt|rt|ptt|cbt|soat|ft)-[A-Za-z0-9_-]{20,}(?:\.[a-z0-9]{2,12}){0,2}/i,
  ),
  // Slack docs, "Token types".
  byPattern('slack-token', ['xox'], /xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9%-]{10,}/i),
  byPattern('slack-token', ['xapp-'], /xapp-[A-Za-z0-9-]{20,}/i),
  byPattern('slack-webhook', ['hooks.slack.com/'], /hooks\.slack\.com\/(?:services|workflows|triggers)\/[\w/-]{16,}/i),
  // Stripe docs, "API keys"; publishable keys (pk_) are public.
  byPattern('stripe-key', ['sk_live_', 'sk_test_', 'rk_live_', 'rk_test_'], /[sr]k_(?:live|test)_[A-Za-z0-9]{10,}/i),
  byPattern('stripe-key', ['whsec_'], /whsec_[A-Za-z0-9+/=]{20,}/),
  byPattern('google-api-key', ['aiza'], /AIza[\w-]{35}/),
  byPattern('google-oauth', ['ya00.', 'gocspx-'], /ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,}/),
  // npm docs, "About access tokens".
  byPattern('npm-token', ['npm_'], /npm_[A-Za-z0-9]{30,}/i),
  byPattern('anthropic-api-key', ['sk-ant-'], /sk-ant-[\w-]{20,}/),
  // "task-…" and "disk-…" are words, so this short prefix needs a boundary, and a digit soon.
  byPattern('openai-api-key', ['sk-'], /(?<![A-Za-z0-9])sk-(?!ant-)(?=[A-Za-z_-]{0,100}\d)[\w-]{20,}/),
]
