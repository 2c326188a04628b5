package main

import (
	"fmt"
	"slices"
)

// texts are what the portal's own pages say: key, English, Thai. Those of
// sign-in errors, registration and sign-out are oidcrp's.
var texts = [][3]string{
	{"language.name", "English", "ไทย"},
	{"language", "Language", "ภาษา"},
	{"skip", "Skip to the content", "ข้ามไปยังเนื้อหา"},
	{"site", "Riverside", "Riverside"},
	{"nav", "Main navigation", "เมนูหลัก"},
	{"nav.home", "Home", "หน้าแรก"},
	{"nav.profile", "Profile", "โปรไฟล์"},
	{"nav.admin", "Administration", "ผู้ดูแลระบบ"},
	{"signin", "Sign in", "ลงชื่อเข้าใช้"},
	{"signout", "Sign out", "ออกจากระบบ"},
	{"yes", "yes", "ใช่"},
	{"no", "no", "ไม่ใช่"},
	{"save", "Save", "บันทึก"},
	{"cancel", "Cancel", "ยกเลิก"},
	{"footer", "An example application of oidcrp.", "แอปพลิเคชันตัวอย่างของ oidcrp"},

	{"home.title", "The members’ portal of the Riverside community", "พอร์ทัลสมาชิกของชุมชน Riverside"},
	{"home.lead", "News, bookings and your membership in one place, with the account you have already.", "ข่าวสาร การจอง และข้อมูลสมาชิกในที่เดียว ด้วยบัญชีที่คุณมีอยู่แล้ว"},
	{"home.hello", "Welcome, %s", "ยินดีต้อนรับ คุณ %s"},
	{"home.hello.lead", "You are signed in with %s.", "คุณลงชื่อเข้าใช้ด้วย %s"},
	{"home.profile", "See your profile", "ดูโปรไฟล์ของคุณ"},
	{"home.admin", "Open administration", "เปิดหน้าผู้ดูแลระบบ"},
	{"home.card1.title", "One account", "บัญชีเดียว"},
	{"home.card1.text", "Sign in with the account you use every day. There is no further password to remember, and none for us to lose.", "ลงชื่อเข้าใช้ด้วยบัญชีที่คุณใช้ทุกวัน ไม่มีรหัสผ่านเพิ่มให้ต้องจำ และไม่มีรหัสผ่านให้เราทำหาย"},
	{"home.card2.title", "Your data", "ข้อมูลของคุณ"},
	{"home.card2.text", "Your profile shows everything this site knows about you, word for word.", "หน้าโปรไฟล์แสดงทุกอย่างที่เว็บไซต์นี้รู้เกี่ยวกับคุณ คำต่อคำ"},
	{"home.card3.title", "Really signed out", "ออกจากระบบจริง"},
	{"home.card3.text", "Signing out ends your session here and at your provider. The Back button shows nothing afterwards.", "เมื่อออกจากระบบ เซสชันของคุณจะสิ้นสุดทั้งที่นี่และที่ผู้ให้บริการ ปุ่มย้อนกลับจะไม่แสดงสิ่งใดอีก"},

	{"signin.title", "Sign in to Riverside", "ลงชื่อเข้าใช้ Riverside"},
	{"signin.lead", "Choose where you have an account. Who is new here registers on the way.", "เลือกผู้ให้บริการที่คุณมีบัญชีอยู่ หากเพิ่งเข้ามาครั้งแรก คุณจะลงทะเบียนได้ในขั้นตอนถัดไป"},
	{"signin.button", "Continue with %s", "ดำเนินการต่อด้วย %s"},
	{"signin.note", "You are taken to your provider and come back here afterwards. We never see your password.", "คุณจะไปยังผู้ให้บริการแล้วกลับมาที่นี่ เราไม่เห็นรหัสผ่านของคุณ"},
	{"signin.done", "You are signed in as %s.", "คุณลงชื่อเข้าใช้ในชื่อ %s แล้ว"},
	{"signin.invited", "I have an invitation", "ฉันมีคำเชิญ"},
	{"signin.code", "Invitation code", "รหัสคำเชิญ"},
	{"signin.redeem", "Redeem the invitation", "ใช้คำเชิญ"},

	{"terms.title", "Terms of use", "ข้อกำหนดการใช้งาน"},
	{"terms.version", "As of %s", "ฉบับวันที่ %s"},
	{"terms.1", "This portal is for the members of the Riverside community and their guests.", "พอร์ทัลนี้มีไว้สำหรับสมาชิกของชุมชน Riverside และแขกของสมาชิก"},
	{"terms.2", "We keep what you enter and what your provider tells us at sign-in, and show you both on your profile.", "เราเก็บข้อมูลที่คุณกรอกและข้อมูลที่ผู้ให้บริการแจ้งเมื่อลงชื่อเข้าใช้ และแสดงทั้งสองอย่างในโปรไฟล์ของคุณ"},
	{"terms.3", "You may leave at any time. Ask an administrator to delete your data.", "คุณเลิกใช้งานได้ทุกเมื่อ โปรดแจ้งผู้ดูแลระบบหากต้องการให้ลบข้อมูล"},
	{"terms.accept", "I accept these terms", "ฉันยอมรับข้อกำหนดเหล่านี้"},
	{"terms.missed", "Please tick the box: without your consent you cannot be signed in.", "โปรดทำเครื่องหมายในช่อง หากไม่ยอมรับจะลงชื่อเข้าใช้ไม่ได้"},
	{"terms.button", "Accept and continue", "ยอมรับและดำเนินการต่อ"},

	{"form.optional", "(optional)", "(ไม่บังคับ)"},
	{"form.wrong", "Nothing was saved. Please check what is marked.", "ยังไม่ได้บันทึก โปรดตรวจสอบช่องที่ทำเครื่องหมายไว้"},
	{"form.missing", "Please fill this in.", "โปรดกรอกข้อมูลในช่องนี้"},
	{"form.long", "This is too long.", "ข้อความนี้ยาวเกินไป"},

	{"field.name", "Name", "ชื่อ"},
	{"field.city", "Town or city", "เมือง"},
	{"field.phone", "Telephone", "โทรศัพท์"},
	{"field.terms", "Terms accepted, version", "ยอมรับข้อกำหนดฉบับ"},

	{"profile.title", "Your profile", "โปรไฟล์ของคุณ"},
	{"profile.expires", "Signed in until", "ใช้งานได้ถึง"},
	{"profile.details", "Your details", "ข้อมูลของคุณ"},
	{"profile.signout", "Sign out here and at %s", "ออกจากระบบที่นี่และที่ %s"},

	{"identities.title", "Ways to sign in", "วิธีลงชื่อเข้าใช้"},
	{"identities.lead", "Each of these accounts signs you in as the same member.", "ไม่ว่าจะใช้บัญชีใดต่อไปนี้ คุณจะเข้าใช้ในฐานะสมาชิกคนเดียวกัน"},
	{"identities.here", "in use", "กำลังใช้"},
	{"identities.unlink", "Remove", "นำออก"},
	{"identities.unlink.long", "Remove %s", "นำ %s ออก"},
	{"identities.link", "Add %s", "เพิ่ม %s"},

	{"token.title", "Connected service", "บริการที่เชื่อมต่อ"},
	{"token.lead", "With this token the portal may act for you at %s. Nobody is ever shown its value.", "พอร์ทัลใช้โทเค็นนี้ดำเนินการแทนคุณที่ %s ได้ ไม่มีการแสดงค่าของโทเค็นให้ผู้ใดเห็น"},
	{"token.state", "State", "สถานะ"},
	{"token.active", "active", "ใช้งานได้"},
	{"token.expired", "expired", "หมดอายุ"},
	{"token.none", "none is kept", "ไม่มีการเก็บโทเค็น"},
	{"token.expiry", "Valid until", "ใช้ได้ถึง"},
	{"token.scopes", "Permissions", "สิทธิ์"},
	{"token.refresh", "Renewed by itself", "ต่ออายุเอง"},

	{"visits.title", "Where you are signed in", "อุปกรณ์ที่ลงชื่อเข้าใช้"},
	{"visits.leave", "Sign out everywhere", "ออกจากระบบทุกที่"},
	{"visits.note", "A session that your provider has ended stays on this list until its browser comes again.", "เซสชันที่ผู้ให้บริการยุติแล้วจะยังอยู่ในรายการจนกว่าเบราว์เซอร์นั้นจะกลับมาอีกครั้ง"},
	{"visit.unknown", "Unknown browser", "เบราว์เซอร์ที่ไม่รู้จัก"},
	{"visit.here", "this browser", "เบราว์เซอร์นี้"},
	{"visit.text", "%s, since %s, last seen %s", "%s ตั้งแต่ %s ใช้งานล่าสุด %s"},

	{"claims.title", "What %s told us about you", "ข้อมูลของคุณที่ %s แจ้งให้เราทราบ"},
	{"claims.subject", "Identifier", "รหัสผู้ใช้"},
	{"claim.name", "Name", "ชื่อ"},
	{"claim.email", "E-mail address", "อีเมล"},
	{"claim.email_verified", "E-mail address verified", "ยืนยันอีเมลแล้ว"},
	{"claim.preferred_username", "User name", "ชื่อผู้ใช้"},
	{"claim.given_name", "Given name", "ชื่อต้น"},
	{"claim.family_name", "Family name", "นามสกุล"},
	{"claim.locale", "Language", "ภาษา"},

	{"admin.menu", "Administration", "ผู้ดูแลระบบ"},
	{"admin.lead", "Where visitors may sign in, and what to register there.", "ผู้ให้บริการที่ผู้เยี่ยมชมใช้ลงชื่อเข้าใช้ได้ และข้อมูลที่ต้องลงทะเบียนไว้ที่นั่น"},
	{"admin.providers", "Providers", "ผู้ให้บริการ"},
	{"admin.contacts", "Contacts", "ผู้ติดต่อ"},
	{"admin.sessions", "Sessions", "เซสชัน"},
	{"admin.invitations", "Invitations", "คำเชิญ"},

	{"signin.work", "E-mail address at work", "อีเมลที่ทำงาน"},
	{"signin.sso", "Single sign-on", "ลงชื่อเข้าใช้ครั้งเดียว (SSO)"},
	{"signin.nobodys", "No organization signs in here with this address. Choose another way.", "ไม่มีองค์กรใดลงชื่อเข้าใช้ที่นี่ด้วยที่อยู่นี้ โปรดเลือกวิธีอื่น"},
	{"admin.connections", "Connections", "การเชื่อมต่อ"},
	{"connections.lead", "The sign-in of organizations: who has an address of theirs is led to it by “Single sign-on”.", "ระบบลงชื่อเข้าใช้ขององค์กร ผู้ที่มีอีเมลขององค์กรจะไปยังระบบนั้นผ่านปุ่ม SSO"},
	{"connections.list", "Connected organizations", "องค์กรที่เชื่อมต่อแล้ว"},
	{"connections.none", "None yet.", "ยังไม่มี"},
	{"connections.new", "New connection", "การเชื่อมต่อใหม่"},
	{"connections.add", "Connect", "เชื่อมต่อ"},
	{"connection.name", "Name in addresses", "ชื่อในที่อยู่เว็บ"},
	{"connection.name.note", "It does not change later. The redirect URI to register is %s/auth/callback/ and this name.", "ภายหลังเปลี่ยนไม่ได้ Redirect URI ที่ต้องลงทะเบียนคือ %s/auth/callback/ ตามด้วยชื่อนี้"},
	{"connection.taken.name", "There is a connection or provider of this name.", "มีการเชื่อมต่อหรือผู้ให้บริการชื่อนี้แล้ว"},
	{"connection.display", "Name for visitors", "ชื่อที่ผู้เยี่ยมชมเห็น"},
	{"connection.client", "Client ID", "รหัสไคลเอนต์ (Client ID)"},
	{"connection.secret", "Client secret", "รหัสลับไคลเอนต์ (Client secret)"},
	{"connection.secret.note", "Leave it empty to keep the one there is.", "เว้นว่างไว้เพื่อใช้รหัสลับเดิม"},
	{"connection.domains", "E-mail domains", "โดเมนอีเมล"},
	{"connection.domains.note", "Between spaces. Make sure that they are the organization’s.", "คั่นด้วยช่องว่าง โปรดตรวจสอบว่าเป็นโดเมนขององค์กรนั้นจริง"},
	{"connection.taken.domains", "One of these domains belongs to another connection.", "มีโดเมนที่เป็นของการเชื่อมต่ออื่นแล้ว"},
	{"connection.listed", "A button on the sign-in page", "แสดงปุ่มในหน้าลงชื่อเข้าใช้"},
	{"connection.problems", "What the provider lacks", "สิ่งที่ต้องแก้ไขกับผู้ให้บริการ"},
	{"connection.fatal", "nobody can sign in", "ลงชื่อเข้าใช้ไม่ได้"},
	{"connection.minor", "could be better", "ควรปรับปรุง"},
	{"connection.fine", "The provider was asked, and nothing is wrong with it.", "ตรวจสอบผู้ให้บริการแล้ว ไม่พบปัญหา"},
	{"connection.register", "To register at the provider", "ข้อมูลที่ต้องลงทะเบียนกับผู้ให้บริการ"},
	{"connection.settings", "Settings", "การตั้งค่า"},
	{"connection.remove", "Remove the connection", "ลบการเชื่อมต่อ"},
	{"connection.remove.text", "Nobody signs in through it any more, and its sessions end. Contacts stay.", "จะไม่มีใครลงชื่อเข้าใช้ผ่านการเชื่อมต่อนี้ได้อีก และเซสชันจะสิ้นสุด ผู้ติดต่อยังคงอยู่"},
	{"connection.sure", "Yes, remove it", "ใช่ ลบการเชื่อมต่อนี้"},
	{"done.connected", "The connection was added. Register at the provider what stands below.", "เพิ่มการเชื่อมต่อแล้ว โปรดลงทะเบียนข้อมูลด้านล่างกับผู้ให้บริการ"},
	{"done.reconnected", "The connection was changed.", "เปลี่ยนการเชื่อมต่อแล้ว"},
	{"done.disconnected", "The connection was removed.", "ลบการเชื่อมต่อแล้ว"},
	{"problem.connection.title", "Nothing was removed", "ยังไม่ได้ลบ"},
	{"problem.connection.text", "Tick the box to say that you are sure.", "โปรดทำเครื่องหมายเพื่อยืนยันว่าต้องการลบ"},

	{"provider.issuer", "Issuer", "ผู้ออกโทเค็น (Issuer)"},
	{"provider.redirect", "Redirect URI", "Redirect URI"},
	{"provider.postlogout", "Post-logout redirect URI", "Post-logout redirect URI"},
	{"provider.state", "State", "สถานะ"},
	{"provider.ready", "ready", "พร้อมใช้งาน"},
	{"provider.unknown", "not asked yet", "ยังไม่ได้ติดต่อ"},
	{"provider.failing", "unreachable; next attempt %s", "ติดต่อไม่ได้ ครั้งถัดไป %s"},
	{"provider.fetched", "Metadata fetched", "อ่านข้อมูลล่าสุดเมื่อ"},
	{"provider.keys", "Keys", "กุญแจ"},

	{"contacts.search", "Name, e-mail address or anything else", "ชื่อ อีเมล หรือข้อมูลอื่น"},
	{"contacts.find", "Search", "ค้นหา"},
	{"contacts.none", "No contact was found.", "ไม่พบผู้ติดต่อ"},
	{"contacts.pages", "Further pages", "หน้าอื่น"},
	{"contacts.first", "First page", "หน้าแรกของรายการ"},
	{"contacts.next", "Next page", "หน้าถัดไป"},

	{"contact.name", "Name", "ชื่อ"},
	{"contact.nameless", "Without a name", "ไม่มีชื่อ"},
	{"contact.email", "E-mail address", "อีเมล"},
	{"contact.verified", "verified", "ยืนยันแล้ว"},
	{"contact.unverified", "not verified", "ยังไม่ยืนยัน"},
	{"contact.identities", "Ways to sign in", "วิธีลงชื่อเข้าใช้"},
	{"contact.roles", "Roles", "บทบาท"},
	{"contact.roles.note", "Roles that a provider gives come on top at each sign-in. A change ends the sessions of the contact.", "บทบาทที่ผู้ให้บริการกำหนดจะเพิ่มเข้ามาทุกครั้งที่ลงชื่อเข้าใช้ เมื่อเปลี่ยนบทบาท เซสชันของผู้ติดต่อจะสิ้นสุด"},
	{"contact.organization", "Organization", "องค์กร"},
	{"contact.since", "Member since", "เป็นสมาชิกตั้งแต่"},
	{"contact.state", "State", "สถานะ"},
	{"contact.id", "Identifier", "รหัส"},
	{"contact.access", "Access", "การเข้าใช้"},
	{"contact.access.note", "Who is disabled is signed out at once and cannot sign in. Deleting also removes all data.", "ผู้ที่ถูกปิดใช้งานจะถูกนำออกจากระบบทันทีและลงชื่อเข้าใช้ไม่ได้ การลบจะนำข้อมูลทั้งหมดออกด้วย"},
	{"contact.enable", "Enable", "เปิดใช้งาน"},
	{"contact.disable", "Disable", "ปิดใช้งาน"},
	{"contact.delete", "Delete the contact", "ลบผู้ติดต่อ"},
	{"contact.sure", "I know that this cannot be undone", "ฉันทราบว่าย้อนกลับไม่ได้"},
	{"contact.signout", "Sign out everywhere", "ออกจากระบบทุกที่"},
	{"contact.self.title", "This is you", "นี่คือคุณ"},
	{"contact.self.text", "Another administrator can change your roles and your access.", "ผู้ดูแลระบบคนอื่นสามารถเปลี่ยนบทบาทและการเข้าใช้ของคุณได้"},

	{"state.active", "active", "ใช้งานอยู่"},
	{"state.disabled", "disabled", "ปิดใช้งาน"},
	{"state.deleted", "deleted", "ลบแล้ว"},
	{"role.admin", "Administrator", "ผู้ดูแลระบบ"},
	{"role.editor", "Editor", "ผู้แก้ไขเนื้อหา"},

	{"sessions.lead", "Who is signed in, as far as this portal has seen. Ending a session takes effect at its next request.", "ผู้ที่ลงชื่อเข้าใช้อยู่เท่าที่พอร์ทัลนี้ทราบ การยุติเซสชันจะมีผลในคำขอครั้งถัดไป"},
	{"sessions.none", "Nobody is signed in.", "ไม่มีผู้ลงชื่อเข้าใช้"},
	{"sessions.end", "End", "ยุติ"},
	{"sessions.end.long", "End the session of %s", "ยุติเซสชันของ %s"},

	{"invitations.new", "Invite somebody", "เชิญผู้ใช้"},
	{"invitations.email", "With an address, only who proves to have it can use the invitation.", "หากระบุอีเมล เฉพาะผู้ที่ยืนยันได้ว่าเป็นเจ้าของเท่านั้นที่ใช้คำเชิญได้"},
	{"invitations.wrong", "This is no e-mail address.", "รูปแบบอีเมลไม่ถูกต้อง"},
	{"invitations.button", "Make an invitation", "สร้างคำเชิญ"},
	{"invitations.made", "The invitation is ready", "คำเชิญพร้อมแล้ว"},
	{"invitations.made.text", "Send this link now. It is not kept, and cannot be shown again.", "โปรดส่งลิงก์นี้ทันที ระบบไม่ได้เก็บไว้และแสดงอีกไม่ได้"},
	{"invitations.list", "Latest invitations", "คำเชิญล่าสุด"},
	{"invitations.none", "There are none.", "ยังไม่มีคำเชิญ"},
	{"invitations.anybody", "Whoever has the link", "ผู้ที่มีลิงก์"},
	{"invitations.text", "Roles: %s. Valid until %s", "บทบาท: %s ใช้ได้ถึง %s"},
	{"invitations.open", "open", "ยังไม่ได้ใช้"},
	{"invitations.redeemed", "redeemed", "ใช้แล้ว"},
	{"invitations.expired", "expired", "หมดอายุ"},

	{"done.saved", "Your details were saved.", "บันทึกข้อมูลของคุณแล้ว"},
	{"done.linked", "The account was added. You can sign in with it from now on.", "เพิ่มบัญชีแล้ว จากนี้ไปคุณลงชื่อเข้าใช้ด้วยบัญชีนี้ได้"},
	{"done.unlinked", "The account was removed.", "นำบัญชีออกแล้ว"},
	{"done.roles", "The roles were saved, and the contact was signed out.", "บันทึกบทบาทและนำผู้ติดต่อออกจากระบบแล้ว"},
	{"done.disable", "The contact was disabled and signed out.", "ปิดใช้งานและนำผู้ติดต่อออกจากระบบแล้ว"},
	{"done.enable", "The contact was enabled.", "เปิดใช้งานผู้ติดต่อแล้ว"},
	{"done.delete", "The contact was deleted.", "ลบผู้ติดต่อแล้ว"},
	{"done.signout", "The contact was signed out everywhere.", "นำผู้ติดต่อออกจากระบบทุกที่แล้ว"},
	{"done.ended", "The session was ended.", "ยุติเซสชันแล้ว"},

	{"problem.home", "Go to the home page", "ไปที่หน้าแรก"},
	{"problem.back", "Go back", "ย้อนกลับ"},
	{"problem.reference", "Please quote this reference when you ask for help:", "โปรดแจ้งรหัสนี้เมื่อขอความช่วยเหลือ"},
	{"problem.notfound.title", "This page does not exist", "ไม่พบหน้านี้"},
	{"problem.notfound.text", "The address may be mistyped, or the page has moved.", "ที่อยู่อาจพิมพ์ผิด หรือหน้านี้ถูกย้ายไปแล้ว"},
	{"problem.form.title", "This form cannot be understood", "อ่านแบบฟอร์มนี้ไม่ได้"},
	{"problem.form.text", "Something in it is missing, wrong or too long. Please go back and try again.", "ข้อมูลขาดหาย ไม่ถูกต้อง หรือยาวเกินไป โปรดย้อนกลับไปลองอีกครั้ง"},
	{"problem.notyours.title", "This is no account of yours", "นี่ไม่ใช่บัญชีของคุณ"},
	{"problem.notyours.text", "It may have been removed already. Nothing has changed.", "บัญชีนี้อาจถูกนำออกไปแล้ว ไม่มีอะไรเปลี่ยนแปลง"},
	{"problem.last.title", "You could not sign in any more", "คุณจะลงชื่อเข้าใช้ไม่ได้อีก"},
	{"problem.last.text", "This is your last way to sign in. Add another one first, then remove this one.", "นี่คือวิธีลงชื่อเข้าใช้สุดท้ายของคุณ โปรดเพิ่มวิธีอื่นก่อนแล้วจึงนำวิธีนี้ออก"},
	{"problem.self.title", "Not for yourself", "ทำกับบัญชีของตนเองไม่ได้"},
	{"problem.self.text", "Only another administrator can change your roles or your access.", "เฉพาะผู้ดูแลระบบคนอื่นเท่านั้นที่เปลี่ยนบทบาทหรือการเข้าใช้ของคุณได้"},
	{"problem.deleted.title", "This contact was deleted", "ผู้ติดต่อนี้ถูกลบแล้ว"},
	{"problem.deleted.text", "Nothing is left that could be enabled.", "ไม่มีข้อมูลเหลือให้เปิดใช้งาน"},
	{"problem.notsure.title", "Nothing was deleted", "ยังไม่ได้ลบสิ่งใด"},
	{"problem.notsure.text", "Please tick the box that says you know that it cannot be undone.", "โปรดทำเครื่องหมายในช่องที่ระบุว่าทราบว่าย้อนกลับไม่ได้"},
	{"problem.outage.title", "Temporarily unavailable", "ใช้งานไม่ได้ชั่วคราว"},
	{"problem.outage.text", "This page cannot be shown just now. Please try again in a moment.", "ขณะนี้แสดงหน้านี้ไม่ได้ โปรดลองอีกครั้งในอีกสักครู่"},
}

var textsByKey = func() map[string][3]string {
	all := make(map[string][3]string, len(texts))
	for _, t := range texts {
		all[t[0]] = t
	}
	return all
}()

func isLanguage(lang string) bool { return slices.Contains(languages, lang) }

// text is a text in one of the languages.
func text(lang, key string) (string, error) {
	t, ok := textsByKey[key]
	if !ok {
		return "", fmt.Errorf("there is no text %q", key)
	}
	return t[1+slices.Index(languages, lang)], nil
}

var thaiMonths = []string{"มกราคม", "กุมภาพันธ์", "มีนาคม", "เมษายน", "พฤษภาคม", "มิถุนายน",
	"กรกฎาคม", "สิงหาคม", "กันยายน", "ตุลาคม", "พฤศจิกายน", "ธันวาคม"}
