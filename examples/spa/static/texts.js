// What the page says, by language and key.
const texts = {
  en: {
    "signin": "Sign in", "signout": "Sign out", "languages": "Language", "wait": "Just a moment…",
    "ended": "Your session has ended. What you were typing is kept.", "again": "Sign in again",
    "list.title": "Books", "list.lead": "Books in two languages, and your own notes about them.",
    "list.signin": "Sign in to write notes and to see yours.",
    "missing.title": "There is no such book", "back": "All books",
    "note": "Your note", "save": "Save", "drop": "Delete the note", "book.signin": "Sign in to write a note about this book.",
    "saved": "Saved.", "dropped": "Deleted.",
    "elsewhere.title": "Somebody else’s API", "elsewhere.lead": "The program behind this page calls it as you. This page sees the answer, and never a token.",
    "elsewhere": "Call it",
    "stock.title": "For staff", "stock": "Count the stock",
    "failed": "That did not work. Try again in a while.", "failed.forbidden": "You may not do that.", "failed.missing": "There is nothing there.",
  },
  th: {
    "signin": "ลงชื่อเข้าใช้", "signout": "ออกจากระบบ", "languages": "ภาษา", "wait": "สักครู่…",
    "ended": "เซสชันของคุณสิ้นสุดแล้ว ข้อความที่คุณกำลังพิมพ์ยังอยู่", "again": "ลงชื่อเข้าใช้อีกครั้ง",
    "list.title": "หนังสือ", "list.lead": "หนังสือสองภาษา พร้อมบันทึกของคุณเอง",
    "list.signin": "ลงชื่อเข้าใช้เพื่อเขียนและดูบันทึกของคุณ",
    "missing.title": "ไม่พบหนังสือเล่มนี้", "back": "หนังสือทั้งหมด",
    "note": "บันทึกของคุณ", "save": "บันทึก", "drop": "ลบบันทึก", "book.signin": "ลงชื่อเข้าใช้เพื่อเขียนบันทึกเกี่ยวกับหนังสือเล่มนี้",
    "saved": "บันทึกแล้ว", "dropped": "ลบแล้ว",
    "elsewhere.title": "API ของผู้อื่น", "elsewhere.lead": "โปรแกรมเบื้องหลังหน้านี้เรียก API ในนามของคุณ หน้านี้เห็นเพียงคำตอบ ไม่เห็นโทเค็น",
    "elsewhere": "เรียก API",
    "stock.title": "สำหรับพนักงาน", "stock": "นับจำนวนหนังสือ",
    "failed": "ทำรายการไม่สำเร็จ โปรดลองอีกครั้งภายหลัง", "failed.forbidden": "คุณไม่มีสิทธิ์ทำรายการนี้", "failed.missing": "ไม่มีข้อมูล",
  },
};

/** The language of the page: the one chosen, or else the browser's first that there is. */
export function language() {
  const chosen = document.cookie.match(/(?:^|; )bookstore_language=(en|th)(?:;|$)/)?.[1];
  return chosen ?? navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => tag in texts) ?? "en";
}

/** Chooses it for the page, and for those of the program and of the provider. */
export function setLanguage(lang) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `bookstore_language=${lang}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
}

/** A text in the page's language. */
export function t(key) {
  return texts[language()][key] ?? key;
}

/** A year as it is counted where the page is read. */
t.year = (year) => (language() === "th" ? `พ.ศ. ${year + 543}` : String(year));
