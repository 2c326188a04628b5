package validate

import "slices"

// PublicMail reports whether everybody can have an address at a domain, so that
// nobody can own it: it is in the list of well-known mail services. domain is in
// the form of [MailDomain].
func PublicMail(domain string) bool {
	_, found := slices.BinarySearch(publicMail, domain)
	return found
}

// publicMail is sorted.
var publicMail = []string{
	"126.com", "139.com", "163.com", "aol.com", "aol.de", "bk.ru", "bluewin.ch", "bol.com.br", "btinternet.com",
	"comcast.net", "cox.net", "daum.net", "duck.com", "email.com", "fastmail.com", "fastmail.fm", "foxmail.com",
	"free.fr", "freenet.de", "gmail.com", "gmx.at", "gmx.ch", "gmx.com", "gmx.de", "gmx.net", "googlemail.com",
	"hanmail.net", "hey.com", "hotmail.co.jp", "hotmail.co.th", "hotmail.co.uk", "hotmail.com", "hotmail.de", "hotmail.fr",
	"hotmail.it", "hushmail.com", "icloud.com", "inbox.com", "inbox.ru", "interia.pl", "laposte.net", "libero.it",
	"list.ru", "live.co.uk", "live.com", "live.de", "live.fr", "live.nl", "mac.com", "mail.com", "mail.ru",
	"mailinator.com", "me.com", "msn.com", "naver.com", "onet.pl", "orange.fr", "outlook.co.th", "outlook.com", "outlook.de",
	"outlook.fr", "outlook.jp", "pm.me", "proton.me", "protonmail.ch", "protonmail.com", "qq.com", "rambler.ru",
	"rediffmail.com", "rocketmail.com", "sbcglobal.net", "seznam.cz", "sina.com", "sky.com", "sohu.com", "t-online.de",
	"tuta.com", "tuta.io", "tutanota.com", "uol.com.br", "verizon.net", "virgilio.it", "wanadoo.fr", "web.de", "windowslive.com",
	"wp.pl", "ya.ru", "yahoo.ca", "yahoo.co.in", "yahoo.co.jp", "yahoo.co.th", "yahoo.co.uk", "yahoo.com", "yahoo.com.au",
	"yahoo.com.br", "yahoo.de", "yahoo.es", "yahoo.fr", "yahoo.it", "yandex.com", "yandex.ru", "yeah.net", "ymail.com", "zoho.com", "zohomail.com",
}
