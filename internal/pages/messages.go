package pages

import (
	"slices"
	"strings"
)

// message is one text in the built-in languages. {site}, {provider} and
// {user} stand for names, and for the "generic" texts where there is no name;
// a translation may use those that its English text uses.
type message struct{ key, en, th string }

// placeholders are those of the English text, each once.
func (m message) placeholders() []string {
	all := placeholder.FindAllString(m.en, -1)
	slices.Sort(all)
	return slices.Compact(all)
}

var texts = []message{
	{"site.generic", "this site", "เว็บไซต์นี้"},
	{"provider.generic", "your sign-in provider", "ผู้ให้บริการลงชื่อเข้าใช้"},
	{"user.generic", "your account", "บัญชีของคุณ"},

	{"page.home", "Go to the home page", "ไปที่หน้าแรก"},
	{"page.user", "Signed in as {user}", "ลงชื่อเข้าใช้ในชื่อ {user}"},
	{"page.reference", "Reference", "รหัสอ้างอิง"},
	{"page.reference_help", "Please quote it when you ask for help.", "โปรดแจ้งรหัสนี้เมื่อขอความช่วยเหลือ"},

	{"signin.title", "Sign in", "ลงชื่อเข้าใช้"},
	{"signin.message", "Choose how you would like to sign in.", "เลือกวิธีลงชื่อเข้าใช้ที่คุณต้องการ"},
	{"signin.single", "You will sign in at {provider} and then come straight back.", "คุณจะลงชื่อเข้าใช้ที่{provider} จากนั้นระบบจะพากลับมาที่นี่"},
	{"signin.none", "There is no way to sign in at the moment. Please try again later.", "ขณะนี้ยังไม่มีช่องทางให้ลงชื่อเข้าใช้ โปรดลองอีกครั้งในภายหลัง"},
	{"signin.with", "Sign in with {provider}", "ลงชื่อเข้าใช้ด้วย {provider}"},
	{"signin.identify", "Tell us who you are, and we will find out where you sign in.", "โปรดระบุตัวตน ระบบจะหาที่ลงชื่อเข้าใช้ให้คุณ"},
	{"signin.identifier", "Your e-mail address or web address", "อีเมลหรือที่อยู่เว็บของคุณ"},
	{"signin.not_found", "No organization signs in with this address here. Please check it, or choose another way to sign in.", "ไม่มีองค์กรใดใช้ที่อยู่นี้ลงชื่อเข้าใช้ที่นี่ โปรดตรวจสอบอีกครั้ง หรือเลือกวิธีลงชื่อเข้าใช้อื่น"},
	{"signin.several", "Your organization has several ways to sign in. Please choose one.", "องค์กรของคุณมีวิธีลงชื่อเข้าใช้หลายวิธี โปรดเลือกวิธีที่ต้องการ"},
	{"signin.sso", "Single sign-on", "การลงชื่อเข้าใช้ครั้งเดียว (SSO)"},
	{"signin.email", "Your work e-mail address", "อีเมลที่ทำงานของคุณ"},
	{"signin.find", "Continue", "ดำเนินการต่อ"},
	{"signin.button", "Sign in", "ลงชื่อเข้าใช้"},

	{"signout.title", "Sign out?", "ต้องการออกจากระบบหรือไม่"},
	{"signout.message", "You are about to sign out of {site}.", "คุณกำลังจะออกจากระบบของ{site}"},
	{"signout.button", "Sign out", "ออกจากระบบ"},
	{"signout.cancel", "Stay signed in", "ใช้งานต่อ"},

	{"signedout.title", "You are signed out", "ออกจากระบบแล้ว"},
	{"signedout.message", "You have signed out of {site}. If others use this device, close the browser as well.", "คุณออกจากระบบของ{site}เรียบร้อยแล้ว หากใช้อุปกรณ์ร่วมกับผู้อื่น โปรดปิดเบราว์เซอร์ด้วย"},
	{"signedout.local", "You have signed out of {site}, but may still be signed in at {provider}. If others use this device, sign out there too.", "คุณออกจากระบบของ{site}แล้ว แต่อาจยังลงชื่อเข้าใช้อยู่ที่{provider} หากใช้อุปกรณ์ร่วมกับผู้อื่น โปรดออกจากระบบที่นั่นด้วย"},
	{"signedout.retry", "Sign in again", "ลงชื่อเข้าใช้อีกครั้ง"},

	{"register.title", "Create your account", "สร้างบัญชีของคุณ"},
	{"register.message", "{provider} has confirmed who you are. One more step, and you can use {site}.", "{provider}ยืนยันตัวตนของคุณแล้ว เหลืออีกขั้นตอนเดียวก็เข้าใช้{site}ได้"},
	{"register.invitation_only", "{provider} has confirmed who you are. To use {site}, please enter the code that you were sent: it is by invitation only.", "{provider}ยืนยันตัวตนของคุณแล้ว {site}เปิดให้เฉพาะผู้ที่ได้รับคำเชิญ โปรดป้อนรหัสที่คุณได้รับ"},
	{"register.again.title", "Please check your entries", "โปรดตรวจสอบข้อมูลของคุณ"},
	{"register.again", "Your account has not been created yet.", "บัญชีของคุณยังไม่ถูกสร้าง"},
	{"register.user", "You came as {user}", "คุณเข้ามาในชื่อ {user}"},
	{"register.button", "Continue", "ดำเนินการต่อ"},
	{"register.cancel", "Cancel", "ยกเลิก"},
	{"register.optional", "(optional)", "(ไม่บังคับ)"},
	{"register.invitation", "Invitation code", "รหัสคำเชิญ"},
	{"register.missing", "Please fill this in.", "โปรดกรอกข้อมูลในช่องนี้"},
	{"register.too_long", "This is too long.", "ข้อความนี้ยาวเกินไป"},
	{"register.invitation_wrong", "This invitation cannot be used: it may have expired, have been used already, or be for another address.", "ใช้คำเชิญนี้ไม่ได้ อาจหมดอายุ ถูกใช้ไปแล้ว หรือออกให้กับที่อยู่อีเมลอื่น"},

	{"account.disabled", "This account has been closed or blocked. If you think that is a mistake, contact the people who run this site.", "บัญชีนี้ถูกปิดหรือระงับการใช้งานแล้ว หากคิดว่าเป็นความผิดพลาด โปรดติดต่อผู้ดูแลเว็บไซต์"},
	{"account.closed", "There is no account for you here, and new ones cannot be created this way.", "ไม่พบบัญชีของคุณที่นี่ และไม่สามารถสร้างบัญชีใหม่ด้วยวิธีนี้ได้"},
	{"account.email_taken", "Your e-mail address belongs to an account that you have used in another way. Please sign in as you did before; you can then add this way of signing in to your profile.", "ที่อยู่อีเมลของคุณเป็นของบัญชีที่เคยใช้วิธีลงชื่อเข้าใช้อื่น โปรดลงชื่อเข้าใช้ด้วยวิธีเดิม จากนั้นจึงเพิ่มวิธีนี้ในโปรไฟล์ของคุณ"},
	{"account.provider_retired", "This way of signing in is no longer in use. Please sign in another way.", "ยกเลิกการลงชื่อเข้าใช้ด้วยวิธีนี้แล้ว โปรดลงชื่อเข้าใช้ด้วยวิธีอื่น"},
	{"account.linked_elsewhere", "This identity belongs to another account already.", "ข้อมูลประจำตัวนี้เป็นของบัญชีอื่นอยู่แล้ว"},
	{"account.gone", "Please sign in again.", "โปรดลงชื่อเข้าใช้อีกครั้ง"},

	{"error.title", "Something went wrong", "เกิดข้อผิดพลาด"},
	{"error.retry", "Try again", "ลองอีกครั้ง"},
	{"error.generic", "We could not complete your request. Please try again in a moment.", "ไม่สามารถดำเนินการตามคำขอของคุณได้ โปรดลองอีกครั้งในอีกสักครู่"},
	{"error.ended.title", "You were signed out", "คุณถูกออกจากระบบ"},
	{"error.ended", "Your sign-in ended while you were still signing in: you signed out elsewhere, or somebody ended it for you. Please sign in again.", "การลงชื่อเข้าใช้สิ้นสุดลงขณะที่คุณกำลังลงชื่อเข้าใช้ เพราะมีการออกจากระบบจากที่อื่นหรือมีผู้ยุติให้ โปรดลงชื่อเข้าใช้อีกครั้ง"},
	{"error.login_expired.title", "This sign-in has expired", "การลงชื่อเข้าใช้ครั้งนี้หมดอายุแล้ว"},
	{"error.login_expired", "It took too long, or it was finished already. Please start again.", "ใช้เวลานานเกินไป หรือดำเนินการเสร็จไปก่อนหน้านี้แล้ว โปรดเริ่มใหม่อีกครั้ง"},
	{"error.login_binding.title", "Please start signing in again", "โปรดเริ่มลงชื่อเข้าใช้ใหม่"},
	{"error.login_binding", "This sign-in was not started in this browser, or the browser did not keep the cookie for it. Start again here, and allow cookies for {site}.", "การลงชื่อเข้าใช้ครั้งนี้ไม่ได้เริ่มจากเบราว์เซอร์นี้ หรือเบราว์เซอร์ไม่ได้เก็บคุกกี้ที่จำเป็นไว้ โปรดเริ่มใหม่จากที่นี่ และอนุญาตให้ใช้คุกกี้สำหรับ{site}"},
	{"error.cancelled.title", "Sign-in cancelled", "ยกเลิกการลงชื่อเข้าใช้แล้ว"},
	{"error.cancelled", "You have not been signed in. You can start again whenever you like.", "คุณยังไม่ได้ลงชื่อเข้าใช้ เริ่มใหม่ได้ทุกเมื่อที่ต้องการ"},
	{"error.cancelled.retry", "Back to sign-in", "กลับไปหน้าลงชื่อเข้าใช้"},
	{"error.consent.title", "Permission was not given", "ไม่ได้รับอนุญาต"},
	{"error.consent", "This page needs a permission at {provider} that was not given. You are still signed in.", "หน้านี้ต้องใช้สิทธิ์จาก{provider}ซึ่งยังไม่ได้รับอนุญาต คุณยังคงลงชื่อเข้าใช้อยู่"},
	{"error.step_up.title", "Please confirm that it is you", "โปรดยืนยันตัวตนอีกครั้ง"},
	{"error.step_up", "This page needs a newer or stronger sign-in at {provider}, and there was none. You can still use everything else.", "หน้านี้ต้องมีการลงชื่อเข้าใช้ที่{provider}ครั้งใหม่หรือด้วยวิธีที่ปลอดภัยกว่า แต่ยังไม่ได้ดำเนินการ คุณยังใช้งานส่วนอื่นได้ตามปกติ"},
	{"error.other_user.title", "That was another account", "บัญชีไม่ตรงกัน"},
	{"error.other_user", "You signed in at {provider} with another account than the one you are using here, so nothing has changed. Please try again with the same account.", "คุณลงชื่อเข้าใช้ที่{provider}ด้วยบัญชีอื่นซึ่งไม่ใช่บัญชีที่ใช้อยู่ที่นี่ จึงไม่มีอะไรเปลี่ยนแปลง โปรดลองอีกครั้งด้วยบัญชีเดิม"},
	{"error.link.title", "The account was not added", "ยังไม่ได้เพิ่มบัญชี"},
	{"error.link", "Your account at {provider} was not added to the one you use here, and nothing has changed. Go back and start again if you like.", "บัญชีของคุณที่{provider}ยังไม่ได้ถูกเพิ่มเข้ากับบัญชีที่ใช้อยู่ที่นี่ และไม่มีอะไรเปลี่ยนแปลง หากต้องการ โปรดย้อนกลับไปเริ่มใหม่อีกครั้ง"},
	{"error.link.retry", "Go back", "ย้อนกลับ"},
	{"error.loop.title", "Signing in keeps starting over", "การลงชื่อเข้าใช้วนซ้ำไม่สิ้นสุด"},
	{"error.loop", "You did sign in, but this browser does not remember it. Its cookies may be blocked. Please allow cookies for {site}, then try again.", "คุณลงชื่อเข้าใช้สำเร็จ แต่เบราว์เซอร์นี้ไม่ได้จดจำไว้ ซึ่งอาจเป็นเพราะคุกกี้ถูกบล็อก โปรดอนุญาตให้ใช้คุกกี้สำหรับ{site}แล้วลองอีกครั้ง"},
	{"error.invalid_response.title", "Your sign-in could not be verified", "ยืนยันการลงชื่อเข้าใช้ไม่สำเร็จ"},
	{"error.invalid_response", "The answer from {provider} did not pass our checks, so you have not been signed in. Please try again. If it keeps happening, contact the people who run {site}.", "ข้อมูลที่ได้รับจาก{provider}ไม่ผ่านการตรวจสอบ คุณจึงยังไม่ได้ลงชื่อเข้าใช้ โปรดลองอีกครั้ง หากยังพบปัญหาเดิม โปรดติดต่อผู้ดูแล{site}"},
	{"error.provider_refused.title", "You have not been signed in", "คุณยังไม่ได้ลงชื่อเข้าใช้"},
	{"error.provider_refused", "Signing in at {provider} was not completed. Please try again. If it keeps happening, contact the people who run {site}.", "การลงชื่อเข้าใช้ที่{provider}ไม่เสร็จสมบูรณ์ โปรดลองอีกครั้ง หากยังพบปัญหาเดิม โปรดติดต่อผู้ดูแล{site}"},
	{"error.unknown_provider.title", "This sign-in link does not work here", "ลิงก์ลงชื่อเข้าใช้นี้ใช้ที่นี่ไม่ได้"},
	{"error.unknown_provider", "You were sent here to sign in with a provider that {site} does not use. You can sign in from here instead.", "คุณถูกส่งมาเพื่อลงชื่อเข้าใช้ด้วยผู้ให้บริการที่{site}ไม่ได้ใช้ โปรดลงชื่อเข้าใช้จากที่นี่แทน"},
	{"error.unknown_provider.retry", "Sign in", "ลงชื่อเข้าใช้"},
	{"error.foreign_domain.title", "Please sign in with your organization", "โปรดลงชื่อเข้าใช้ผ่านองค์กรของคุณ"},
	{"error.foreign_domain", "Your e-mail address belongs to an organization that has its own way to sign in, and {provider} is another. Please continue there.", "ที่อยู่อีเมลของคุณเป็นขององค์กรที่มีวิธีลงชื่อเข้าใช้ของตนเอง ซึ่งไม่ใช่{provider} โปรดดำเนินการต่อผ่านองค์กรของคุณ"},
	{"error.foreign_domain.retry", "Continue", "ดำเนินการต่อ"},
	{"error.email_domain.title", "This e-mail address cannot be used here", "ใช้ที่อยู่อีเมลนี้ที่นี่ไม่ได้"},
	{"error.email_domain", "{provider} says that you have an e-mail address which it may not speak for. Please sign in another way, or contact the people who run {site}.", "{provider}แจ้งที่อยู่อีเมลที่ไม่มีสิทธิ์รับรอง โปรดลงชื่อเข้าใช้ด้วยวิธีอื่น หรือติดต่อผู้ดูแล{site}"},
	{"error.email_domain.retry", "Sign in another way", "ลงชื่อเข้าใช้ด้วยวิธีอื่น"},
	{"error.source_unavailable.title", "Sign-in is not available right now", "ขณะนี้ไม่สามารถลงชื่อเข้าใช้ได้"},
	{"error.source_unavailable", "We cannot look up where you sign in at the moment. Please try again in a few minutes.", "ขณะนี้ระบบไม่สามารถค้นหาวิธีลงชื่อเข้าใช้ของคุณได้ โปรดลองอีกครั้งในอีกไม่กี่นาที"},
	{"error.provider_unavailable.title", "Sign-in is not available right now", "ขณะนี้ไม่สามารถลงชื่อเข้าใช้ได้"},
	{"error.provider_unavailable", "There is no proper answer from {provider}. Please try again in a few minutes.", "{provider}ไม่ตอบสนองตามปกติ โปรดลองอีกครั้งในอีกไม่กี่นาที"},
	{"error.store_unavailable.title", "Temporarily unavailable", "ใช้งานไม่ได้ชั่วคราว"},
	{"error.store_unavailable", "We cannot check who is signed in at the moment. Please try again in a few minutes.", "ขณะนี้ระบบไม่สามารถตรวจสอบสถานะการลงชื่อเข้าใช้ได้ โปรดลองอีกครั้งในอีกไม่กี่นาที"},
	{"error.misconfigured.title", "Sign-in is not set up correctly", "การตั้งค่าการลงชื่อเข้าใช้ไม่ถูกต้อง"},
	{"error.misconfigured", "Only the people who run {site} can fix this. Please let them know.", "เฉพาะผู้ดูแล{site}เท่านั้นที่แก้ไขปัญหานี้ได้ โปรดแจ้งให้ผู้ดูแลทราบ"},
	{"error.refused.title", "You could not be signed in", "ลงชื่อเข้าใช้ไม่สำเร็จ"},
	{"error.refused", "This account cannot be used here. Try another account, or contact the people who run {site}.", "บัญชีนี้ใช้ที่นี่ไม่ได้ โปรดลองใช้บัญชีอื่น หรือติดต่อผู้ดูแล{site}"},
	{"error.refused.retry", "Use another account", "ใช้บัญชีอื่น"},
	{"error.identifier.title", "We could not find where you sign in", "ไม่พบที่ลงชื่อเข้าใช้ของคุณ"},
	{"error.identifier", "Please check what you typed, or choose another way to sign in.", "โปรดตรวจสอบข้อมูลที่พิมพ์ หรือเลือกวิธีลงชื่อเข้าใช้อื่น"},
	{"error.identifier.retry", "Back to sign-in", "กลับไปหน้าลงชื่อเข้าใช้"},
	{"error.login_required.title", "Please sign in", "โปรดลงชื่อเข้าใช้"},
	{"error.login_required", "You need to sign in to open this page.", "คุณต้องลงชื่อเข้าใช้ก่อนจึงจะเปิดหน้านี้ได้"},
	{"error.login_required.retry", "Sign in", "ลงชื่อเข้าใช้"},
	{"error.bad_request.title", "This request cannot be understood", "คำขอไม่ถูกต้อง"},
	{"error.bad_request", "Something in the address or form is missing or wrong. Please go back and try again.", "ข้อมูลในที่อยู่หรือแบบฟอร์มขาดหายไปหรือไม่ถูกต้อง โปรดย้อนกลับไปลองอีกครั้ง"},
	{"error.not_found.title", "Page not found", "ไม่พบหน้านี้"},
	{"error.not_found", "There is nothing at this address. Please check it for mistakes.", "ไม่มีหน้าเว็บตามที่อยู่นี้ โปรดตรวจสอบว่าพิมพ์ที่อยู่ถูกต้องหรือไม่"},
	{"error.no_site.title", "Page not found", "ไม่พบหน้านี้"},
	{"error.no_site", "There is no site at this address. Please check it for mistakes.", "ไม่มีเว็บไซต์ตามที่อยู่นี้ โปรดตรวจสอบว่าพิมพ์ที่อยู่ถูกต้องหรือไม่"},
	{"error.method.title", "This address cannot be opened directly", "เปิดที่อยู่นี้โดยตรงไม่ได้"},
	{"error.method", "Please go back and use the button on the page.", "โปรดย้อนกลับไปใช้ปุ่มบนหน้าเว็บ"},
	{"error.cross_origin.title", "Request from another site stopped", "คำขอจากเว็บไซต์อื่นถูกระงับ"},
	{"error.cross_origin", "To protect you, {site} does not accept this request from another site. If you meant to do this, go to {site} and do it there.", "เพื่อความปลอดภัยของคุณ {site}ไม่รับคำขอนี้จากเว็บไซต์อื่น หากคุณต้องการดำเนินการจริง โปรดทำรายการที่{site}โดยตรง"},

	{"denied.title", "You do not have access", "คุณไม่มีสิทธิ์เข้าถึง"},
	{"denied.message", "Your account may not open this page. If you think it should, contact the people who run {site}.", "บัญชีของคุณไม่มีสิทธิ์เปิดหน้านี้ หากคิดว่าควรมีสิทธิ์ โปรดติดต่อผู้ดูแล{site}"},
	{"denied.retry", "Use another account", "ใช้บัญชีอื่น"},
	{"denied.ended.title", "Your access has ended", "สิทธิ์การเข้าถึงของคุณสิ้นสุดแล้ว"},
	{"denied.ended", "You have been signed out. If you think this is a mistake, contact the people who run {site}.", "คุณถูกนำออกจากระบบแล้ว หากคิดว่าเป็นความผิดพลาด โปรดติดต่อผู้ดูแล{site}"},

	{"confirm.title", "Continue signing in?", "ต้องการลงชื่อเข้าใช้ต่อหรือไม่"},
	{"confirm.message", "You were sent here to sign in with {provider}. Continue only if you expected this.", "มีลิงก์พาคุณมาที่นี่เพื่อลงชื่อเข้าใช้ด้วย{provider} โปรดดำเนินการต่อเฉพาะเมื่อคุณตั้งใจทำเช่นนี้"},
	{"confirm.switch", "You were sent here to sign in with {provider}, but you are signed in already. Continue only if you want to change to the other account.", "มีลิงก์พาคุณมาที่นี่เพื่อลงชื่อเข้าใช้ด้วย{provider} แต่ขณะนี้คุณลงชื่อเข้าใช้อยู่แล้ว โปรดดำเนินการต่อเฉพาะเมื่อต้องการเปลี่ยนไปใช้อีกบัญชี"},
	{"confirm.switch.title", "Change to another account?", "ต้องการเปลี่ยนบัญชีหรือไม่"},
	{"confirm.button", "Continue", "ดำเนินการต่อ"},
	{"confirm.cancel", "Cancel", "ยกเลิก"},

	{"formpost.title", "One moment", "โปรดรอสักครู่"},
	{"formpost.message", "You are on your way to {provider}. If nothing happens, press Continue.", "กำลังพาคุณไปยัง{provider} หากไม่มีอะไรเกิดขึ้น โปรดกด “ดำเนินการต่อ”"},
	{"formpost.signout", "You are being signed out at {provider} as well. If nothing happens, press Continue.", "กำลังออกจากระบบที่{provider}ด้วย หากไม่มีอะไรเกิดขึ้น โปรดกด “ดำเนินการต่อ”"},
	{"formpost.button", "Continue", "ดำเนินการต่อ"},

	{"fragment.title", "One moment", "โปรดรอสักครู่"},
	{"fragment.message", "You are being signed in.", "กำลังลงชื่อเข้าใช้ให้คุณ"},
	{"fragment.noscript", "The answer from {provider} can be read with JavaScript only. Please turn JavaScript on in this browser and reload this page.", "คำตอบจาก{provider}อ่านได้ด้วย JavaScript เท่านั้น โปรดเปิดใช้ JavaScript ในเบราว์เซอร์นี้แล้วโหลดหน้านี้ใหม่"},
}

// Defaults returns a copy of the built-in texts by language tag and key.
func Defaults() map[string]map[string]string {
	en, th := make(map[string]string, len(texts)), make(map[string]string, len(texts))
	for _, m := range texts {
		en[m.key], th[m.key] = m.en, m.th
	}
	return map[string]map[string]string{"en": en, "th": th}
}

// Text returns the message of key in the language of a tag, else in English;
// "" when there is no such key. Placeholders are left in it.
func (p *Renderer) Text(lang, key string) string {
	for tag := strings.ToLower(lang); tag != ""; tag = shorten(tag) {
		if s := p.texts[p.tags[tag]][key]; s != "" {
			return s
		}
	}
	return p.texts["en"][key]
}
