#include "trainer/html.h"

#include <cstdint>

namespace tptt {
namespace {

// Line colours c0 to c5 are told apart by the colour-blind too (Okabe and Ito; lighter when dark).
constexpr const char* kStyle = R"css(
:root{color-scheme:light dark;--text:#1f2328;--muted:#59636e;--page:#fff;--panel:#f6f8fa;--line:#d1d9e0;
--c0:#0072b2;--c1:#c44f00;--c2:#00805d;--c3:#a6467f;--c4:#8a6500;--c5:#2b7fb8}
@media screen and (prefers-color-scheme:dark){:root{--text:#e6edf3;--muted:#9da7b3;--page:#0d1117;--panel:#161b22;--line:#3d444d;
--c0:#58b0e8;--c1:#ff8a3d;--c2:#35c793;--c3:#e39ac4;--c4:#f0b429;--c5:#8ccdf5}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem 1rem 3rem;max-width:80rem;background:var(--page);color:var(--text);
font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.25;margin:.5rem 0}
h2{font-size:1.2rem;margin:2.25rem 0 .75rem;padding-bottom:.25rem;border-bottom:1px solid var(--line)}
h3{font-size:1rem;margin:1rem 0 .5rem}
.card h3{margin-top:0}
p{margin:.5rem 0}
.muted{color:var(--muted)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;margin:1rem 0}
.tile,.card,figure{background:var(--panel);border:1px solid var(--line);border-radius:.5rem;padding:.75rem}
.tile b{display:block;font-size:1.15rem;line-height:1.3;overflow-wrap:break-word}
.tile span{color:var(--muted);font-size:.85rem}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,22rem),1fr));gap:.75rem}
figure{margin:0}
svg{display:block;width:100%;height:auto;font-family:inherit}
svg text{fill:var(--muted)}
svg text.title{fill:var(--text);font-weight:600}
svg .grid{stroke:var(--line)}
svg text.in{fill:var(--text)}
svg text.on{fill:var(--page)}
.s0,.s1,.s2,.s3,.s4,.s5{fill:none;stroke-width:2;stroke-linejoin:round}
.s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}.s4{stroke:var(--c4)}.s5{stroke:var(--c5)}
.f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}.f4{fill:var(--c4)}.f5{fill:var(--c5)}
.faint{stroke-width:1;opacity:.45}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.875rem;margin:.5rem 0}
th,td{border:1px solid var(--line);padding:.25rem .6rem;text-align:left;vertical-align:top}
th{background:var(--panel);font-weight:600}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.scroll th{overflow-wrap:normal;white-space:nowrap}
.scroll td:not(.n){min-width:9rem}
table.facts{width:100%}
table.facts th{width:12rem}
.card{margin:0 0 .75rem}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,18rem),1fr));gap:.75rem}
.label{color:var(--muted);font-size:.8rem}
pre,.said{margin:.15rem 0 .5rem;white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:plaintext}
pre{font:.85rem/1.45 ui-monospace,monospace}
pre.box{background:var(--panel);border:1px solid var(--line);border-radius:.5rem;padding:.75rem;max-height:26rem;overflow:auto}
summary{cursor:pointer}
details{margin:.75rem 0}
ul{padding-left:1.25rem}
:focus-visible{outline:2px solid var(--c0);outline-offset:2px}
@media (max-width:30rem){table.facts th{width:10.5rem}th,td{padding:.25rem .4rem}}
@media print{:root{color-scheme:light}body{max-width:none;padding:0;font-size:10pt}figure,.card,.tile{break-inside:avoid}h2{break-after:avoid}
pre.box{max-height:none;overflow:visible}.plots{grid-template-columns:1fr 1fr}}
)css";

size_t whole_characters(const std::string& text, size_t bytes) {
  while (bytes > 0 && (uint8_t(text[bytes]) & 0xc0) == 0x80) --bytes;
  return bytes;
}

}  // namespace

std::string escape_html(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default: {
        const bool control = (uint8_t(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
        out += control ? "\xef\xbf\xbd" : std::string(1, c);
      }
    }
  }
  return out;
}

std::string cut_text(const std::string& text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  const size_t kept = whole_characters(text, max_bytes);
  return text.substr(0, kept) + " [... " + std::to_string(text.size() - kept) + " more bytes]";
}

std::string html_page(const std::string& title, const std::string& body) {
  return "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>\n"
         "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
         "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src "
         "'unsafe-inline'\">\n<title>" +
         escape_html(title) + "</title>\n<style>" + kStyle + "</style></head>\n<body>\n" + body +
         "</body></html>\n";
}

}  // namespace tptt
