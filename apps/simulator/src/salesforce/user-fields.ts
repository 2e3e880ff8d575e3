import type { Json } from '../framework/vendor.ts'
import { EMAIL_ENCODINGS, LOCALES } from './picklists.ts'
import type { SalesforceSettings } from './settings.ts'

type FieldType =
  | 'id'
  | 'string'
  | 'email'
  | 'phone'
  | 'url'
  | 'textarea'
  | 'picklist'
  | 'boolean'
  | 'reference'
  | 'datetime'
  | 'double'
  | 'address'

export interface Field {
  readonly name: string
  readonly type: FieldType
  readonly length: number
  readonly isCreateable: boolean
  /** What a new user has where nothing is said. */
  readonly initial: Json
}

/** As the vendor's own refusal lists them. */
export const REQUIRED = [
  'Username',
  'LastName',
  'Email',
  'Alias',
  'TimeZoneSidKey',
  'LocaleSidKey',
  'EmailEncodingKey',
  'ProfileId',
  'LanguageLocaleKey',
]

/**
 * `name:type:length`, with `!` after what the API sets itself; in the order of a record of May 2026, most preference
 * flags left out.
 */
const TABLE = `
Id:id:18! Username:string:80 LastName:string:80 FirstName:string:40 Name:string:121! CompanyName:string:80 Division:string:80 Department:string:80 Title:string:80
Street:textarea:255 City:string:40 State:string:80 PostalCode:string:20 Country:string:80 Latitude:double:0 Longitude:double:0 GeocodeAccuracy:picklist:40 Address:address:0!
Email:email:128 EmailPreferencesAutoBcc:boolean:0 EmailPreferencesAutoBccStayInTouch:boolean:0 EmailPreferencesStayInTouchReminder:boolean:0 SenderEmail:email:80 SenderName:string:80
Signature:textarea:1333 Phone:phone:40 Fax:phone:40 MobilePhone:phone:40 Alias:string:8 CommunityNickname:string:40 BadgeText:string:80! IsActive:boolean:0 TimeZoneSidKey:picklist:40
UserRoleId:reference:18 LocaleSidKey:picklist:40 ReceivesInfoEmails:boolean:0 ReceivesAdminInfoEmails:boolean:0 EmailEncodingKey:picklist:40 ProfileId:reference:18 UserType:picklist:40!
LanguageLocaleKey:picklist:40 EmployeeNumber:string:20 DelegatedApproverId:reference:18 ManagerId:reference:18 LastLoginDate:datetime:0! LastPasswordChangeDate:datetime:0!
CreatedDate:datetime:0! CreatedById:reference:18! LastModifiedDate:datetime:0! LastModifiedById:reference:18! SystemModstamp:datetime:0!
UserPermissionsMarketingUser:boolean:0 UserPermissionsSFContentUser:boolean:0 UserPreferencesLightningExperiencePreferred:boolean:0 ContactId:reference:18 AccountId:reference:18!
CallCenterId:reference:18 Extension:phone:40 FederationIdentifier:string:512 AboutMe:textarea:1000 FullPhotoUrl:url:1024! SmallPhotoUrl:url:1024! MediumPhotoUrl:url:1024!
DigestFrequency:picklist:40 DefaultGroupNotificationFrequency:picklist:40 IsProfilePhotoActive:boolean:0!
`
const INITIAL: Readonly<Record<string, Json>> = {
  EmailPreferencesAutoBcc: true,
  EmailPreferencesStayInTouchReminder: true,
  BadgeText: '',
  IsActive: true,
  ReceivesInfoEmails: true,
  UserPreferencesLightningExperiencePreferred: true,
  DigestFrequency: 'N',
  DefaultGroupNotificationFrequency: 'N',
}
const CHATTER = [
  'AboutMe',
  'FullPhotoUrl',
  'SmallPhotoUrl',
  'MediumPhotoUrl',
  'DigestFrequency',
  'DefaultGroupNotificationFrequency',
  'IsProfilePhotoActive',
]

const standardFields: readonly Field[] = TABLE.trim()
  .split(/\s+/)
  .map((entry) => {
    const [name = '', type = 'string', length = '0'] = entry.replace('!', '').split(':')
    const initial = INITIAL[name] ?? (type === 'boolean' ? false : null)
    return { name, type: type as FieldType, length: Number(length), isCreateable: !entry.endsWith('!'), initial }
  })

/** The columns of User in this org. */
export function userFields(settings: SalesforceSettings): readonly Field[] {
  const custom = settings.custom_fields.map((name): Field => ({
    name,
    type: 'string',
    length: 255,
    isCreateable: true,
    initial: null,
  }))
  return [...standardFields.filter(({ name }) => settings.has_chatter || !CHATTER.includes(name)), ...custom]
}

/** Undefined where any value passes. */
export function picklistOf(name: string, settings: SalesforceSettings): readonly string[] | undefined {
  switch (name) {
    case 'TimeZoneSidKey':
      return settings.time_zones
    case 'LanguageLocaleKey':
      return settings.languages
    case 'LocaleSidKey':
      return LOCALES
    case 'EmailEncodingKey':
      return EMAIL_ENCODINGS
    default:
      return undefined
  }
}

const LABELS: Readonly<Record<string, string>> = {
  TimeZoneSidKey: 'Time Zone',
  LocaleSidKey: 'Locale',
  LanguageLocaleKey: 'Language',
  EmailEncodingKey: 'Email Encoding',
  ProfileId: 'Profile ID',
  UserRoleId: 'Role ID',
  AboutMe: 'About Me',
}
export const labelOf = (name: string): string => LABELS[name] ?? name.replace(/([a-z])([A-Z])/g, '$1 $2')

const REFERENCES: Readonly<Record<string, string>> = {
  ProfileId: 'Profile',
  UserRoleId: 'UserRole',
  ContactId: 'Contact',
  AccountId: 'Account',
  CallCenterId: 'CallCenter',
}

/** GET …/sobjects/User/describe, as far as clients read it. */
export function describeUser(settings: SalesforceSettings, path: string): Json {
  return {
    name: 'User',
    label: 'User',
    labelPlural: 'Users',
    keyPrefix: '005',
    custom: false,
    createable: true,
    updateable: true,
    deletable: false,
    queryable: true,
    retrieveable: true,
    searchable: true,
    undeletable: false,
    triggerable: true,
    childRelationships: [],
    recordTypeInfos: [],
    urls: {
      sobject: path,
      describe: `${path}/describe`,
      rowTemplate: `${path}/{ID}`,
      passwordUtilities: `${path}/{ID}/password`,
    },
    fields: userFields(settings).map((field) => ({
      name: field.name,
      label: labelOf(field.name),
      type: field.type,
      length: field.length,
      custom: field.name.endsWith('__c'),
      createable: field.isCreateable,
      updateable: field.isCreateable,
      nillable: !REQUIRED.includes(field.name) && field.type !== 'boolean' && field.name !== 'Id',
      defaultedOnCreate: field.type === 'boolean' || field.name === 'CommunityNickname',
      restrictedPicklist: picklistOf(field.name, settings) !== undefined,
      picklistValues: (picklistOf(field.name, settings) ?? []).map((value) => ({
        active: true,
        defaultValue: false,
        label: value,
        validFor: null,
        value,
      })),
      referenceTo: field.type === 'reference' ? [REFERENCES[field.name] ?? 'User'] : [],
      relationshipName: field.type === 'reference' ? field.name.replace(/Id$/, '') : null,
    })),
  }
}
